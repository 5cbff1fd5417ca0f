"""`summary --inference`: the table of coefficients as a person reads it."""

from pathlib import Path

import pytest

from pipeline.commands import inference_summary
from pipeline.errors import UserError
from tests.infer.problems import drawn, infer
from tests.terminal import unwrapped


def test_the_table_has_a_block_for_each_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the numbers of coefficients.csv, the tests of columns and the numerical error."""
    inferred = infer(tmp_path, drawn(1, 300), reference="k1")
    capsys.readouterr()
    inference_summary.main(reports=inferred.folder)
    printed = unwrapped(capsys.readouterr().out)
    assert "Class k0 against k1" in printed
    assert "Class k2 against k1" in printed
    assert "Class k2 against k0" not in printed
    first = inferred.lines("coefficients.csv")[0]
    assert f"{float(first['estimate']):.4f}" in printed
    assert f"{float(first['standard_error']):.4f}" in printed
    assert "numerical error: every coefficient and contrast is within" in printed
    assert "c0=l1" in printed
    assert f"{inferred.document['fit']['aic']:.4f}" in printed


def test_a_refused_table_is_its_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing else."""
    inferred = infer(tmp_path, drawn(1, 300), enabled=False)
    capsys.readouterr()
    inference_summary.main(reports=inferred.folder)
    printed = capsys.readouterr().out
    assert printed == "No table of coefficients: infer.enabled is false in params.yaml\n"


def test_names_cannot_move_the_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Markup and escapes in a class are printed as they are, or escaped."""
    inferred = infer(tmp_path, drawn(1, 300))
    for path in inferred.folder.iterdir():
        if path.suffix in (".csv", ".json"):
            escape = "\\u001b" if path.suffix == ".json" else "\x1b"
            path.write_text(path.read_text(encoding="utf-8").replace("k2", f"{escape}[31mk2[bold]"), encoding="utf-8")
    capsys.readouterr()
    inference_summary.main(reports=inferred.folder)
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "k2[bold]" in printed


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("inference.json", "{", "inference.json"),
        ("inference.json", '{"refused": 5, "sentences": []}', "refused: expected"),
        ("inference.json", '{"sentences": []}', "title: expected a value, got none"),
        ("coefficients.csv", "class,reference\n", "expected the columns class, reference, feature, estimate"),
        ("coefficients.csv", None, "no such file"),
    ],
)
def test_files_that_infer_did_not_write_are_named(
    tmp_path: Path, name: str, content: str | None, sentence: str
) -> None:
    """Cut short, edited, or gone."""
    folder = infer(tmp_path, drawn(1, 300)).folder
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as error:
        inference_summary.main(reports=folder)
    assert name in str(error.value)
    assert sentence in str(error.value)


def test_a_line_of_another_number_of_cells_is_named(tmp_path: Path) -> None:
    """By its number in the file."""
    folder = infer(tmp_path, drawn(1, 300)).folder
    with (folder / "coefficients.csv").open("a", encoding="utf-8") as file:
        file.write("k0,k1\n")
    with pytest.raises(UserError, match=r"coefficients.csv, line \d+: expected 16 cells, got 2"):
        inference_summary.main(reports=folder)
