"""What DVC would follow: digests and paths that lead out of its cache or the project, and YAML without end."""

import json
import os
from pathlib import Path

import pytest

from pipeline import files
from pipeline.commands.verify import stage_files
from pipeline.errors import UserError
from pipeline.repository import lockfile
from tests.commands.verify.small import Small

MD5 = "ab" * 16

FORGERIES = {
    "a list": "[1]",
    "outs of a number": "outs: 3",
    "an out of a number": "outs: [3]",
    "a digest upwards": "outs: [{path: x, md5: ../../../mine.txt}]",
    "a digest without end": f"outs: [{{path: x, md5: {MD5 * 1000}}}]",
    "a digest with a line end": f'outs: [{{path: x, md5: "{MD5}\\n"}}]',
    "a digest of another kind": "outs: [{path: x, hash: etag, etag: ../../../mine.txt}]",
    "a digest of a version": f"outs: [{{path: x, md5: {MD5}, cloud: {{store: {{md5: ../mine.txt}}}}}}]",
    "a file above its folder": f"outs: [{{path: x, files: [{{relpath: ../mine.txt, md5: {MD5}}}]}}]",
    "a file at the root": f"outs: [{{path: x, files: [{{relpath: /mine.txt, md5: {MD5}}}]}}]",
    "a file without a name": f"outs: [{{path: x, files: [{{relpath: '', md5: {MD5}}}]}}]",
    "a file of a digest upwards": "outs: [{path: x, files: [{relpath: y, md5: ../mine.txt}]}]",
    "a file of a version": (
        f"outs: [{{path: x, files: [{{relpath: y, md5: {MD5}, cloud: {{store: {{md5: ../mine.txt}}}}}}]}}]"
    ),
    "a key twice": "outs: []\nouts: []",
    "half a character": 'outs: [{path: "\\ud800"}]',
    "deep": "[" * 3000,
    "in itself": "a: &a [*a]",
    "without end": "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}' if n else '*a'] * 10)}]\n" for n in range(8)),
}


@pytest.mark.slow
@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_pointer_is_refused_in_one_sentence(tmp_path: Path, forgery: str) -> None:
    """Before DVC reads it, with the file's name."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/x.dvc").write_text(FORGERIES[forgery], encoding="utf-8")
    beginning = r"^data/x\.dvc of commit 0123456789ab(, line \d+)?: (outs\S*: )?expected "
    with pytest.raises(UserError, match=beginning) as refusal:
        stage_files.refuse_unsafe(tmp_path, "0123456789abcdef")
    assert len(str(refusal.value)) < 500
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["dvc.yaml", "sub/dvc.yaml", "sub/dvc.lock", "params.yaml", "x.dvc"])
def test_whatever_dvc_reads_is_counted_before(tmp_path: Path, name: str) -> None:
    """A few lines that stand for more than any memory holds stop no one for hours, nor do bytes that are no text."""
    (tmp_path / "sub").mkdir()
    for content in (FORGERIES["without end"].encode(), b"\xff\xfe\x00"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=f"^{name} of commit "):
            stage_files.refuse_unsafe(tmp_path, "0123456789abcdef")


@pytest.mark.slow
def test_what_dvc_writes_is_taken(small: Small) -> None:
    """A file, a folder, one of a store with versions, one of DVC 2, and one without outputs."""
    small.run("git", "rm", "-q", "--cached", "data/in.csv")
    small.run("dvc", "add", "-q", "data/in.csv")
    small.write("more/one.txt", "1")
    small.run("dvc", "add", "-q", "more")
    version = "{etag: abc, version_id: v1}"
    small.write(
        "versions.dvc",
        f"outs:\n- path: versions\n  hash: md5\n  files:\n  - {{relpath: a/b.txt, md5: {MD5}, size: 1, "
        f"cloud: {{store: {version}}}}}\n",
    )
    small.write("old.dvc", f"outs:\n- md5: {MD5}\n  path: old\n")
    small.write("empty.dvc", "")
    stage_files.refuse_unsafe(small.folder, "0123456789abcdef")
    (folder,) = stage_files.folders_of(small.folder, "0123456789abcdef", "more.dvc")
    assert folder == lockfile.listing_md5({"one.txt": files.md5_bytes(b"1")})


def _committed(small: Small, content: bytes, legacy: bool = False) -> str:
    """Put content into DVC's cache; its md5."""
    md5 = files.md5_bytes(content)
    cache = small.folder / ".dvc/cache" / ("" if legacy else "files/md5")
    (cache / md5[:2]).mkdir(parents=True, exist_ok=True)
    suffix = lockfile.FOLDER_MARK if content.startswith(b"[") else ""
    (cache / md5[:2] / f"{md5[2:]}{suffix}").write_bytes(content)
    return f"{md5}{suffix}"


@pytest.mark.parametrize("way", ["files", "listing of DVC 2", "digest", "digest in a listing"])
def test_dvc_neither_writes_nor_reads_outside(small: Small, way: str) -> None:
    """A .dvc file that names files above its folder, or a digest that is a path: nothing elsewhere comes or goes."""
    victim = small.folder.parent / "victim"
    victim.write_text("precious", encoding="utf-8")
    up = "/".join([".."] * 4) + "/victim"
    digest = ".." + os.path.relpath(victim, small.folder / ".dvc/cache/files")
    md5 = _committed(small, b"forged", legacy=way.endswith("2"))
    listing = [{"md5": digest, "relpath": "x"} if way.startswith("digest") else {"md5": md5, "relpath": up}]
    text = {
        "files": f"path: x\n  hash: md5\n  files:\n  - {{relpath: {up}, md5: {md5}, size: 6}}",
        "digest": f"path: x\n  hash: md5\n  md5: '{digest}'",
    }.get(way)
    if text is None:
        folder = _committed(small, json.dumps(listing).encode(), legacy=way.endswith("2"))
        text = f"path: x\n  md5: {folder}{'' if way.endswith('2') else chr(10) + '  hash: md5'}"
    small.write("x.dvc", f"outs:\n- {text}\n")
    with pytest.raises(UserError, match=r"expected (a text of the form|paths in it)"):
        small.contradictions()
    assert victim.read_text(encoding="utf-8") == "precious"


@pytest.mark.slow
def test_a_file_of_dvc_that_nests_without_end_is_refused_before_dvc_reads_it(small: Small) -> None:
    """Wherever in the commit it lies: DVC reads them all."""
    small.write("data/dvc.yaml", FORGERIES["deep"])
    with pytest.raises(UserError, match=r"^data/dvc\.yaml of commit \w+: expected YAML, got nested too deeply"):
        small.contradictions()


@pytest.mark.parametrize("value", ["2020-01-01", "!!set {a, b}"])
def test_a_value_that_dvc_does_not_know_is_one_sentence(small: Small, value: str) -> None:
    """DVC itself ends in a traceback there."""
    small.edit("params.yaml", lambda text: text.replace("limit: 3", f"limit: {value}"))
    with pytest.raises(
        UserError, match=r"^commit \w+: expected a project that DVC can read, got: Unsupported value"
    ) as refusal:
        small.contradictions()
    assert len(str(refusal.value)) < 400
