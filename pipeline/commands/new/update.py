"""Bring a later version of the code into a project that `new` made, as one commit of the project.

That commit is the difference between two versions of the code, applied as `git cherry-pick` applies any commit: a
merge of three sides, in which what the person changed stays, files that were renamed are followed, and a conflict is
git's own. Nothing but the recorded commit must be known of the past, so a history that was rewritten does no harm.
"""

import tempfile
from pathlib import Path

from pipeline import credentials, screen
from pipeline.commands import place
from pipeline.commands.new.upstream import RECORD_FILE, SOURCE_SETTING, Record, Version
from pipeline.errors import UserError, listed, printable, shortened
from pipeline.repository import git

_SECONDS = 600.0
_MOST_SUBJECTS = 40


def main(*, root: Path, source: str | None, revision: str) -> None:
    """Update the project at ``root`` from ``source``, or from where its code came from, to ``revision`` there.

    Raises: UserError if there is no such version, or the project has changes that are not committed; the project is
    then as it was. After a conflict it waits for `git cherry-pick --continue` or `--abort`.
    """
    record = Record.read(root)
    changed = git.changed_files(root)
    if changed:
        raise UserError(f"{listed(changed)}: expected nothing but what is committed, got changes; commit or stash them")
    origin = source or record.source or (git.stdout(root, "config", SOURCE_SETTING) or "").strip()
    if not origin:
        raise UserError(f"{RECORD_FILE}: has no address of the code's repository; name it, or a clone: --from ADDRESS")
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "code"
        address = shortened(credentials.masked(origin))
        _git(root, "clone", "--quiet", "--bare", "--", origin, str(clone), fault=f"{address}: cannot be cloned")
        later = Version(clone, _commit(clone, revision, address))
        earlier = Version(clone, _commit(clone, record.commit, address))
        if later.commit == earlier.commit:
            screen.say(f"up to date: softmax-pipeline {record} is the version of {address}")
            return
        if git.stdout(clone, "merge-base", "--is-ancestor", later.commit, earlier.commit) is not None:
            raise UserError(
                f"{shortened(revision)}: expected a later version, got one before {record}; `git revert` "
                "takes the commit of an update back"
            )
        new_record = Record(later.release, later.commit, record.source)
        before = _branch(earlier, "project-before", (root / RECORD_FILE).read_bytes())
        after = _branch(later, "project-after", new_record.to_text().encode())
        _git(root, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", str(clone), before, after)
        message = _message(record, new_record, earlier, later)
        trees = [_printed(clone, "rev-parse", f"{branch}^{{tree}}") for branch in (before, after)]
    base = _printed(root, "commit-tree", trees[0], "-m", f"softmax-pipeline {record}")
    picked = _printed(root, "commit-tree", trees[1], "-p", base, "-m", message)
    _pick(root, picked)
    screen.say(f"updated from softmax-pipeline {record} to {new_record}; `git show --stat` lists what it changed")
    screen.say(f"next: {screen.unbroken(place.at_root(root, 'make run'))}")


def _commit(clone: Path, revision: str, address: str) -> str:
    sha = git.stdout(clone, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if sha is None:
        raise UserError(f"{address}: has no version {shortened(revision)}; name a clone that has it: --from ADDRESS")
    return sha.strip()


def _branch(version: Version, name: str, record: bytes) -> str:
    """A branch whose files are those that a project takes from a version, and its record; git fetches no less."""
    listing = git.stdout_bytes(version.folder, "ls-tree", "-r", "-z", version.commit, "--", *version.paths) or b""
    digest = _git(version.folder, "hash-object", "-w", "--stdin", stdin=record).strip()
    entry = b"100644 blob %s\t%s\0" % (digest, RECORD_FILE.encode())
    _git(version.folder, "read-tree", "--empty")
    _git(version.folder, "update-index", "-z", "--index-info", stdin=listing + entry)
    tree = _printed(version.folder, "write-tree")
    author = ("-c", "user.name=softmax-pipeline", "-c", "user.email=softmax-pipeline")
    commit = _printed(version.folder, *author, "commit-tree", tree, "-m", str(version))
    _git(version.folder, "update-ref", f"refs/heads/{name}", commit)
    return f"refs/heads/{name}"


def _message(record: Record, new_record: Record, earlier: Version, later: Version) -> str:
    """The commit's message: both versions, and what the commits between them say of the files that projects take."""
    span = f"{earlier.commit}..{later.commit}"
    log = _printed(later.folder, "log", "--no-merges", "--format=- %s", span, "--", *later.paths).splitlines()
    more = [f"- and {len(log) - _MOST_SUBJECTS} more"] if len(log) > _MOST_SUBJECTS else []
    return "\n".join([f"softmax-pipeline {record} to {new_record}", "", *log[:_MOST_SUBJECTS], *more])


def _pick(root: Path, commit: str) -> None:
    """Apply a commit. Raises: UserError if the person has to decide, or has files in its way."""
    done = git.run(root, "cherry-pick", commit, seconds=_SECONDS)
    if done is not None and done.returncode == 0:
        return
    conflicts = (git.stdout(root, "diff", "--name-only", "--diff-filter=U", "-z") or "").split("\0")[:-1]
    if conflicts:
        raise UserError(
            f"{listed(conflicts)}: you and the later version changed the same lines; mend them, then `git add -A && "
            "git cherry-pick --continue`, or take all back: `git cherry-pick --abort`"
        )
    raise UserError(f"git cherry-pick: failed: {_reason(done.stderr if done else b'')}; the project is as it was")


def _git(folder: Path, *words: str, fault: str = "", stdin: bytes | None = None) -> bytes:
    done = git.run(folder, *words, seconds=_SECONDS, stdin=stdin)
    if done is None or done.returncode:
        reason = _reason(done.stderr) if done else "no answer"
        raise UserError(f"{fault or f'git {words[0]}: failed'}: {reason}; name another with --from ADDRESS")
    return done.stdout


def _printed(folder: Path, *words: str) -> str:
    return _git(folder, *words).decode(errors="replace").strip()


def _reason(output: bytes) -> str:
    return shortened(printable(" ".join(output.decode(errors="replace").split()))) or "without a word"
