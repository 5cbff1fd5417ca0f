"""What a commit says twice: each contradiction is found before a stage runs, with its place and both sides."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import files
from pipeline.commands.verify import comparison
from pipeline.errors import UserError
from tests.commands.verify.small import Small


def _md5(small: Small, path: str) -> str:
    return files.md5_file(small.folder / path)


@pytest.mark.slow
def test_an_honest_commit_contradicts_itself_nowhere(small: Small) -> None:
    """Code, a folder as input, params and committed metrics are all as dvc.lock says."""
    small.edit("dvc.yaml", lambda text: text.replace("deps: [data/in.csv,", "deps: [data/in.csv, extra,"))
    for name in ("extra/one.txt", "extra/deep/Ünï.txt", "extra/left.part"):
        small.write(name, name)
    small.write(".dvcignore", "*.part\n")
    small.run("dvc", "repro", "-q")
    assert small.contradictions() == {}
    small.write("extra/deep/Ünï.txt", "other")
    contradictions = small.contradictions()
    assert list(contradictions) == ["copy: extra"]
    assert ".dir in the commit" in contradictions["copy: extra"]


def test_a_forged_metric_that_git_holds_is_found(small: Small) -> None:
    """The file that people read on a web page is compared before it is taken away."""
    recorded = _md5(small, "reports/metrics.json")
    small.write("reports/metrics.json", '{"rows": 300}')
    forged = _md5(small, "reports/metrics.json")
    sentence = f"md5 {recorded} recorded in dvc.lock, {forged} of the file that git has"
    assert small.contradictions() == {"reports/metrics.json": sentence}


def test_a_forged_file_of_a_committed_folder_is_found(small: Small) -> None:
    """A file of a folder that is an output too, also one that the folder never had."""
    small.run("git", "add", "-f", "data/copies/one.csv")
    assert small.contradictions() == {}
    (small.folder / "data/copies/one.csv").unlink()
    small.write("data/copies/one.csv", "a\n1\n3\n")
    small.write("data/copies/three.csv", "a\n")
    small.run("git", "add", "-f", "data/copies/one.csv", "data/copies/three.csv")
    assert list(small.contradictions()) == ["data/copies/one.csv", "data/copies/three.csv"]


@pytest.mark.slow
def test_without_a_listing_committed_files_of_a_folder_are_compared_with_what_is_made(small: Small) -> None:
    """Neither cache nor remote has the listing: then the stages' own files tell."""
    uncached = "[{data/copies: {cache: false}}]\n  count"
    small.edit("dvc.yaml", lambda text: text.replace("[data/copies]\n  count", uncached))
    small.run("dvc", "repro", "-q")
    small.edit("data/copies/one.csv", lambda text: text.replace("2", "3"))
    small.write("data/.gitignore", "copies/two.csv\n")
    shutil.rmtree(small.folder / ".dvc/cache")
    with small.checked() as (place, recorded, findings):
        assert not findings
        place.run_stages({})
        results = comparison.compare(place, recorded, {})
    different = [result.place for result in results if result.difference]
    assert different == ["data/copies/one.csv"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "change", "place", "sentence"),
    [
        ("stage.py", lambda text: text + "\n", "copy: stage.py", "md5 "),
        ("dvc.lock", lambda text: text.replace("size: 6", "size: 7", 1), "copy: data/in.csv", "size "),
        ("data/in.csv", lambda text: text + "\n", "copy: data/in.csv", "md5 "),
        ("params.yaml", lambda text: text.replace("limit: 3", "limit: 3.0"), "count: params.yaml.count.limit", "3 rec"),
        ("dvc.lock", lambda text: text.replace("limit: 3", "limit: '3'"), "count: params.yaml.count.limit", "'3' rec"),
        ("dvc.lock", lambda text: text.replace("stage.py data", "stage.py  data", 1), "copy: cmd", "python stage.py  "),
        (
            "dvc.yaml",
            lambda text: text.replace("[data/in.csv, stage.py]", "[data/in.csv]"),
            "copy: stage.py",
            "in deps",
        ),
        (
            "dvc.yaml",
            lambda text: text.replace("[reports/lines.txt]", "[]"),
            "count: reports/lines.txt",
            "in outs of d",
        ),
        ("dvc.yaml", lambda text: text.replace("  count:\n", "  rate:\n"), "rate", "a stage in the commit's dvc.yaml"),
    ],
)
def test_each_side_that_was_edited_is_named(
    small: Small, path: str, change: Callable[[str], str], place: str, sentence: str
) -> None:
    """Code, data, params, commands, inputs, outputs and stages, in dvc.lock or beside it."""
    small.edit(path, change)
    contradictions = small.contradictions()
    assert contradictions[place].startswith(sentence)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["md5", "size", "nfiles"])
def test_what_a_stage_read_of_another_is_what_that_one_wrote(small: Small, key: str) -> None:
    """The first entry of data/copies in dvc.lock is the output, the second is count's input: either may be edited."""
    parts = small.run("cat", "dvc.lock").split("- path: data/copies\n")
    for edited in (1, 2):
        head, _, tail = parts[edited].partition(f"{key}: ")
        forged = [*parts]
        forged[edited] = f"{head}{key}: {'1' if tail[0] != '1' else '2'}{tail[1:]}"
        small.write("dvc.lock", "- path: data/copies\n".join(forged) + "\n")
        contradictions = small.contradictions()
        assert f"{key} " in contradictions["count: data/copies"]
        assert "written by another stage" in contradictions["count: data/copies"]


@pytest.mark.slow
def test_a_changed_file_in_the_cache_is_the_inputs_fault(small: Small) -> None:
    """A blank line that no parser minds is found, with both digests and where they come from."""
    small.run("git", "rm", "-q", "--cached", "data/in.csv")
    small.run("dvc", "add", "-q", "data/in.csv")
    assert small.contradictions() == {}
    md5 = _md5(small, "data/in.csv")
    entry = small.folder / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    entry.chmod(0o644)
    entry.write_bytes(entry.read_bytes() + b"\n")
    entry.chmod(0o444)
    (small.folder / "data/in.csv").unlink()
    contradictions = small.contradictions()
    assert list(contradictions) == ["copy: data/in.csv"]
    forged = files.md5_file(entry)
    with small.checked() as (_, _, findings):
        sentences = [str(finding.difference) for finding in findings]
    assert sentences[0].startswith(
        f"md5 {md5} recorded, {forged} in the commit; DVC's cache or remote holds other bytes"
    )


@pytest.mark.parametrize("path", ["__pycache__/stage.cpython-311.pyc", "stage.pyc", "deep/x.PYO"])
def test_compiled_code_in_a_commit_is_refused(small: Small, path: str) -> None:
    """Python would run it in place of the code that dvc.lock records."""
    small.write(path, "compiled")
    small.run("git", "add", "-f", path)
    with pytest.raises(UserError, match=f"got compiled code too, .*: {path}; take it out"):
        small.contradictions()


@pytest.mark.parametrize("name", ["reports/metrics.json", "dvc.lock"])
def test_a_file_that_is_a_link_is_refused_or_read_as_it_is(small: Small, name: str) -> None:
    """Metrics that are a link in the commit are refused; a link of dvc.lock inside the commit is what it leads to."""
    (small.folder / name).rename(small.folder / "elsewhere")
    (small.folder / name).symlink_to("../elsewhere" if "/" in name else "elsewhere")
    if name == "dvc.lock":
        assert small.contradictions() == {}
    else:
        with pytest.raises(UserError, match=r"goes through a link: reports/metrics.json -> \.\./elsewhere"):
            small.contradictions()


def test_line_ends_are_those_of_the_commit_whatever_git_is_told(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    """With core.autocrlf an honest commit is as honest: it is checked out to the byte."""
    settings = small.folder.parent / "gitconfig"
    attributes = small.folder.parent / "attributes"
    attributes.write_text("* text eol=crlf\n", encoding="utf-8")
    settings.write_text(
        f"[core]\n autocrlf = true\n eol = crlf\n attributesFile = {attributes}\n hooksPath = {small.folder}\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    assert small.contradictions() == {}


def test_a_repository_of_sha256_is_checked_out_too(tmp_path: Path, committed: Small) -> None:
    """Git's objects have names of another length there, and are borrowed all the same."""
    small = committed.copied_to(tmp_path / "project")
    small.run("rm", "-rf", ".git")
    small.run("git", "init", "-q", "--object-format=sha256")
    assert small.contradictions() == {}
