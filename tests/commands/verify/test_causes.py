"""Reasons that are given for a difference."""

from pathlib import Path

from pipeline.commands.verify import causes


def test_another_library_is_named_and_another_cpu_is_not(tmp_path: Path) -> None:
    """What the run recorded stands beside what is here; what is the same is not mentioned, nor what decides nothing."""
    here = causes.environment()
    tags = {"version.torch": "1.0.0", "version.numpy": here["numpy"], "cpu": "Some Other CPU", "model.key": "k"}
    sentences = causes.sentences(tags, tmp_path)
    assert sentences == [f"the run was made with torch 1.0.0, here is {here['torch']}"]


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
