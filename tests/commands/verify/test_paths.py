"""Outputs that lie outside the checkout: refused before anything is touched."""

from pathlib import Path

import pytest

from pipeline import files
from pipeline.commands.verify import paths
from pipeline.errors import UserError
from tests.commands.verify.small import Small


@pytest.mark.parametrize(
    "path",
    [
        *("/etc/passwd", "../mine.txt", "data/../../mine.txt", "data/..", "", ".", "./", "/", "\0"),
        *(
            "C:\\mine.txt",
            "C:mine.txt",
            "c:/mine.txt",
            "\\\\server\\share\\mine.txt",
            "\\mine.txt",
            "data\\..\\..\\mine",
        ),
        *(".git/config", ".GIT/config", ".git./config", ".dvc/config", "data/.git", "s3://bucket/mine.txt"),
    ],
)
def test_a_path_that_leaves_the_project_is_refused(tmp_path: Path, path: str) -> None:
    """Absolute, upwards, with a drive, of git or DVC, in any spelling: one sentence says where it stands."""
    with pytest.raises(UserError, match=r"^dvc\.lock: expected outputs inside the project, got .*nothing was run or"):
        paths.refuse_outside(tmp_path, ["models/w", path], "dvc.lock")


@pytest.mark.parametrize("path", ["models/w", "a..b", "...", "data/Ünï code", "data/.gitignore"])
def test_a_path_inside_the_project_is_taken(tmp_path: Path, path: str) -> None:
    """Dots, blanks and letters of any alphabet are no harm."""
    paths.refuse_outside(tmp_path, [path], "dvc.lock")


def test_a_link_on_the_way_is_refused(tmp_path: Path) -> None:
    """Whether the link is the output or a folder above it, and wherever it leads."""
    (tmp_path / "project" / "real").mkdir(parents=True)
    for name, target in (("out", "real"), ("away", tmp_path), ("loop", "loop"), ("metrics.json", "real/metrics.json")):
        (tmp_path / "project" / name).symlink_to(target)
        path = name if "." in name else f"{name}/w"
        with pytest.raises(UserError, match=f"goes through a link: {name} -> "):
            paths.refuse_outside(tmp_path / "project", [path], "dvc.lock")


@pytest.mark.slow
@pytest.mark.parametrize("place", ["dvc.lock", "dvc.yaml", "wdir", "pointer", "link", "folder link"])
def test_a_file_elsewhere_is_never_touched(small: Small, tmp_path: Path, place: str) -> None:
    """Whatever part of the commit says that an output lies elsewhere, the file there stays as it is."""
    victim = tmp_path / "victim" / "lines.txt"
    victim.parent.mkdir()
    victim.write_text("precious", encoding="utf-8")
    _point_at(small, victim, place)
    with pytest.raises(UserError, match=r"expected (outputs inside|links that stay|a stage that runs in) "):
        small.contradictions()
    assert victim.read_text(encoding="utf-8") == "precious"
    assert not list((small.folder / ".cache").iterdir())


def test_a_way_upwards_is_told_from_the_project_and_not_from_the_checkout(small: Small) -> None:
    """Where the checkout lies is nothing that a person wrote."""
    small.edit("dvc.yaml", lambda text: text.replace("reports/lines.txt", "../lines.txt"))
    with pytest.raises(UserError, match=r"^dvc\.yaml of .* got '\.\./lines\.txt', which leads upwards; "):
        small.contradictions()


def test_a_folder_of_the_cache_with_a_way_out_is_not_checked_out(small: Small) -> None:
    """A listing of another one's remote may name files above its folder: DVC would write them."""
    victim = small.folder.parent / "victim"
    victim.write_text("precious", encoding="utf-8")
    md5 = files.md5_bytes(b"forged")
    up = "/".join([".."] * 4)
    listing = f'[{{"md5": "{md5}", "relpath": "{up}/victim"}}]'.encode()
    name = f"{files.md5_bytes(listing)}.dir"
    for entry, content in ((md5, b"forged"), (name, listing)):
        place = small.folder / ".dvc/cache/files/md5" / entry[:2] / entry[2:]
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(content)
    small.write("more.dvc", f"outs:\n- md5: {name}\n  size: 6\n  nfiles: 1\n  hash: md5\n  path: more\n")
    with pytest.raises(UserError, match=r"expected paths in it, got '\.\./"):
        small.contradictions()
    assert victim.read_text(encoding="utf-8") == "precious"


def _point_at(small: Small, victim: Path, place: str) -> None:
    if place == "wdir":
        small.edit("dvc.yaml", lambda text: text.replace("  count:\n", f"  count:\n    wdir: {victim.parent}\n"))
    elif place == "pointer":
        outs = f"outs:\n- md5: {'ab' * 16}\n  size: 1\n  hash: md5\n  path: {victim.name}\n"
        small.write("other.dvc", f"wdir: {victim.parent}\n{outs}")
    elif place == "link":
        (small.folder / "link").symlink_to(victim)
    elif place == "folder link":
        small.run("git", "rm", "-q", "-r", "--cached", "reports")
        (small.folder / "reports").rename(small.folder / "other")
        (small.folder / "reports").symlink_to(victim.parent)
    else:
        small.edit(place, lambda text: text.replace("reports/lines.txt", str(victim)))
