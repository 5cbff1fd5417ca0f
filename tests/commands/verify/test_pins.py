"""Pins of a commit's requirements.lock against what is installed."""

from importlib import metadata
from pathlib import Path

import pytest

from pipeline.commands.verify import pins
from pipeline.repository import environment

NUMPY = metadata.version("numpy")
SKLEARN = metadata.version("scikit-learn")
NO_PIN = "requirements.lock: expected NAME==VERSION, got"


def _sentences(folder: Path, text: str) -> list[str]:
    (folder / "requirements.lock").write_text(text, encoding="utf-8")
    return pins.disagreements(folder)


def test_pins_that_are_installed_say_nothing(tmp_path: Path) -> None:
    """Comments, options, hashes, markers of other systems and the local part of torch's version are no difference."""
    torch = metadata.version("torch").partition("+")[0]
    text = f"""# pinned
--index-url https://example.org/simple
numpy=={NUMPY} \\
    --hash=sha256:{"ab" * 32} \\
    --hash=sha256:{"cd" * 32}
torch=={torch}  # the processor's build
pywin32==1 ; sys_platform == "none"
"""
    others = [name for name in environment.PACKAGES if name not in ("numpy", "torch")]
    text += "".join(f"{name.replace('-', '_')}=={metadata.version(name)}\n" for name in others)
    assert _sentences(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("numpy==0.0.1\n", f"requirements.lock asks for numpy==0.0.1, here is {NUMPY}"),
        (f"NumPy==0.0.1\nnumpy=={NUMPY}\n", f"requirements.lock asks for NumPy==0.0.1, here is {NUMPY}"),
        (f"numpy=={NUMPY}\nNumPy=={NUMPY}\n", "requirements.lock asks twice for NumPy"),
        ("no-such-package==1\n", "requirements.lock asks for no-such-package==1, which is not installed here"),
        (f"scikit-learn=={SKLEARN}\nscikit_learn=={SKLEARN}\n", "requirements.lock asks twice for scikit_learn"),
        ("numpy @ https://x.org/n.whl\n", f"{NO_PIN} 'numpy @ https://x.org/n.whl'"),
        ("numpy>=1\n", f"{NO_PIN} 'numpy>=1'"),
        ("numpy\n", f"{NO_PIN} 'numpy'"),
        ("numpy==0.0.1,!=3\n", f"{NO_PIN} 'numpy!=3,==0.0.1'"),
        ("numpy=0.0.1\n", "requirements.lock: expected NAME==VERSION, got 'numpy=0.0.1'"),
    ],
)
def test_another_pin_is_told(tmp_path: Path, text: str, sentence: str) -> None:
    """One sentence each: another version, a second pin, a package that is not here, a line that is no pin."""
    assert sentence in _sentences(tmp_path, text)


def test_a_pin_that_was_taken_away_is_told(tmp_path: Path) -> None:
    """What decides a result is pinned, or it is said."""
    (sentence,) = _sentences(tmp_path, f"numpy=={NUMPY}\n")
    assert "expected pins of all that decides a result, got none of dvc, mlflow, pyarrow," in sentence


def test_a_commit_without_pins_is_told(tmp_path: Path) -> None:
    """Then nothing says with which versions its bytes were made."""
    assert pins.disagreements(tmp_path) == [
        "requirements.lock: expected the versions that the commit was made with, got no such file"
    ]
