"""Reasons that are given for a difference."""

from pathlib import Path

from pipeline.commands.verify import causes


def test_another_library_and_another_cpu_are_named(tmp_path: Path) -> None:
    """What the run recorded stands beside what is here; what is the same is not mentioned."""
    here = causes.environment()
    tags = {"version.torch": "1.0.0", "version.numpy": here["numpy"], "cpu": "Some Other CPU", "model.key": "k"}
    sentences = [sentence for sentence in causes.sentences(tags, tmp_path) if sentence.startswith("the run")]
    assert sentences == [
        f"the run was made with cpu Some Other CPU, here is {here['cpu']}",
        f"the run was made with torch 1.0.0, here is {here['torch']}",
    ]


def test_without_a_run_the_commits_requirements_are_the_record(tmp_path: Path) -> None:
    """Versions that requirements.lock of the commit asks for are compared instead."""
    numpy = causes.environment()["numpy"]
    (tmp_path / "requirements.lock").write_text(f"# pinned\nnumpy=={numpy}\ntorch==1.0.0\n", encoding="utf-8")
    assert any(
        "requirements.lock of the commit asks for torch 1.0.0" in sentence
        for sentence in causes.sentences({}, tmp_path)
    )


def test_the_same_environment_leaves_code_data_and_params(tmp_path: Path) -> None:
    """Where nothing of the environment differs, the sentence says what else there is."""
    here = causes.environment()
    tags = {f"version.{name}": here[name] for name in ("torch", "numpy")} | {"cpu": here["cpu"]}
    assert "code, data or params were changed" in causes.sentences(tags, tmp_path)[-1]


def test_without_a_run_the_cpu_may_be_the_reason(tmp_path: Path) -> None:
    """A fresh clone has no run that says which CPU it was, and the same versions must not lay the blame on a person."""
    here = causes.environment()
    (tmp_path / "requirements.lock").write_text(f"numpy=={here['numpy']}\n", encoding="utf-8")
    first, second = causes.sentences({}, tmp_path)
    assert first.startswith(f"no MLflow run here says which CPU made it; this one is {here['cpu']}")
    assert second.startswith("the environment is the recorded one (numpy ")
