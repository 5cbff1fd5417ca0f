"""Texts that a person would take for one."""

from pipeline.table.likeness import alike


def test_case_blanks_and_what_no_screen_shows_make_no_difference() -> None:
    """A no-break space, a zero-width one, composed and decomposed letters; other letters, digits and marks do."""
    texts = ["Yes", "no", "yes ", "\u00a0YES", "ye\u200bs", "\u00e9", "e\u0301", "e", "a  b", "a b", "ab", "1", "1.0"]
    assert alike(texts) == [["Yes", "yes ", "\u00a0YES", "ye\u200bs"], ["\u00e9", "e\u0301"], ["a  b", "a b"]]
    assert alike([]) == []
