"""`python -m pipeline verify`: run a commit's stages again beside the project, and compare every byte."""

import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline import files, screen
from pipeline.commands import launch
from pipeline.commands.verify import (
    causes,
    checkout,
    comparison,
    consistency,
    declared,
    loaded,
    lockfile_check,
    pins,
    receipt,
    run_record,
)
from pipeline.commands.verify.checkout import Checkout
from pipeline.commands.verify.comparison import OutputResult
from pipeline.commands.verify.receipt import Circumstances, Trial
from pipeline.commands.verify.run_record import RunRecord
from pipeline.commands.verify.target import Target, find
from pipeline.errors import UserError, listed, on_one_line
from pipeline.output_files import REPORTS_FOLDER
from pipeline.repository.lockfile import Lock
from pipeline.repository.project import project_root
from pipeline.tracking.client.params import TRACKING_VARIABLE
from pipeline.tracking.client.query import StoreProcess
from pipeline.tracking.client.tags import CPU_TAG

RECEIPTS = REPORTS_FOLDER / "receipts"

_FEW = 10  # notes of a kind that are printed

_DEEP_THREADS, _DEEP_WORKERS = (1, 2, 3), (2, 3)


def main(*, name: str, deep: bool, experiment: str) -> None:
    """Verify, print a line a file, and write the receipt; ``experiment`` is the MLflow experiment's name.

    Raises: UserError if the commit, its lock or its data cannot be had, or its stages do not run; SystemExit(1) if
    anything differs.
    """
    project = project_root()
    with StoreProcess(project, experiment) as store:
        # Find the commit.
        target = find(project, name, store)
        here = causes.environment()
        alias = "" if target.commit.startswith(target.name) else f" ({target.name})"
        _say(f"commit {target.commit[:12]}{alias}, on {here[CPU_TAG]}")
        with checkout.checked_out(project, target.commit) as place:
            # Compare it with itself, and with new outputs of its stages.
            recorded = lockfile_check.read(place.folder, target.commit)
            trials, others, ignored = _trials(place, recorded, target, deep)
            identical = all(trial.identical for trial in trials)
            circumstances = _circumstances(place, recorded, others, ignored)
            # Compare the model's runs in MLflow.
            runs = _examine(store, target, place, recorded, identical)
            trials += [run.trial() for run in runs if run.run_id == target.run_id and identical]
            # Leave the receipt in the project and on the runs.
            document = receipt.document(target.commit, recorded, trials, here, circumstances)
            path = project / RECEIPTS / f"{target.commit[:12]}.json"
            files.write_json(path, document)
            _attach(store, target, runs, identical, path)
            # Look for reasons, while the checkout is there.
            newest = runs[0].tags if runs else {}
            only_run = identical and document["verdict"] != "identical"
            reasons = [run_record.REASON] if only_run else causes.sentences(target.tags or newest, place.folder)
    # Conclude.
    compared = {result.place for trial in trials for result in trial.findings}
    different = {result.place for trial in trials for result in trial.findings if result.difference}
    relative = path.relative_to(project)
    if not different:
        _say(f"verified: all {len(compared)} are identical, to the byte; receipt: {relative}")
        return
    _say(f"not verified: {len(different)} of {len(compared)} differ; receipt: {relative}")
    for reason in reasons:
        _say(f"  why? {reason}")
    sys.exit(1)


def _say(sentence: str) -> None:
    """Print a line at once: stages take their time."""
    margin = len(sentence) - len(sentence.lstrip())
    screen.say(on_one_line(sentence), indent=margin + 2)


def _trials(
    place: Checkout, recorded: Lock, target: Target, deep: bool
) -> tuple[list[Trial], dict[str, object], set[str]]:
    """Compare the commit with itself; then, if it is consistent, run its stages under each setting and compare.

    Returns: also the commands of stages of which its dvc.lock says nothing, and the files that .dvcignore hides.
    """
    place.set_aside(recorded)
    with declared.repository(place.folder, target.commit) as repository:
        with screen.bar("getting data"):
            place.get_data(recorded)
        ignored = declared.ignored(repository, place.folder, place.tracked)
        others = declared.other_commands(repository)
        contradictions = consistency.contradictions(place, recorded, repository)
    if contradictions:
        _say("before any stage: what the commit says in two places")
        _print(contradictions)
        return [Trial("before any stage", contradictions)], others, ignored
    _say(f"{len(recorded.inputs())} inputs, as dvc.lock records them; its stages run")
    for name, stage in recorded.stages.items():
        _say(f"  {name}: {stage.get('cmd')}")
    for name, command in others.items():
        _say(f"  {name}, which dvc.lock says nothing of: {command}")
    trials = [_trial(place, recorded, target, *setting) for setting in _settings(deep).items()]
    return trials, others, ignored


def _settings(deep: bool) -> dict[str, dict[str, str]]:
    """Variables of the environment that must not change a byte: none, or, ``deep``, numbers of threads and of workers.

    The first setting leaves the run that MLflow's runs are compared with; the others would leave the same.
    """
    if not deep:
        return {"threads and workers as here": {}}
    cases = [(f"threads: {count}", count, 1) for count in _DEEP_THREADS]
    cases += [(f"workers: {count}, of one thread each", 1, count) for count in _DEEP_WORKERS]
    return {
        name: {
            "OMP_NUM_THREADS": str(threads),
            launch.WORKERS_VARIABLE: str(workers),
            TRACKING_VARIABLE: "off" if number else "on",
        }
        for number, (name, threads, workers) in enumerate(cases)
    }


def _trial(place: Checkout, recorded: Lock, target: Target, setting: str, environment: dict[str, str]) -> Trial:
    _say(f"{', '.join(recorded.stages)} again, {setting}")
    place.set_aside(recorded)
    with screen.bar("running stages"):
        place.run_stages(environment)
    silent = recorded.stages.keys() - place.recording.stages()
    if silent:
        sentence = "which code they loaded is not known, as no Python of theirs that heeds its environment ran"
        _say(f"note: {listed(sorted(silent))}: {sentence}")
    with screen.bar("comparing outputs"):
        trial = Trial(setting, comparison.compare(place, recorded, target.tags))
    _print(trial.findings)
    return trial


def _print(results: Sequence[OutputResult]) -> None:
    for result in results:
        if result.difference is None:
            _say(f"  identical  {result.place}")
        else:
            _say(f"  DIFFERENT  {result.place}: {result.difference}")


def _circumstances(place: Checkout, recorded: Lock, others: dict[str, object], ignored: set[str]) -> Circumstances:
    """Name what dvc.lock says nothing of, what git converts, and what is not as requirements.lock asks."""
    code = loaded.uncovered(place.recording.files(place.folder), recorded, ignored)
    arguments = sorted(loaded.arguments(recorded, place.tracked).difference(code))
    uncovered = sorted([*code, *arguments])
    changed = loaded.changed_after_lock(place.folder, uncovered)
    sentences = pins.disagreements(place.folder)
    for topic, names in (
        ("not in dvc.lock, but loaded by the stages", loaded.summary(code)),
        ("not in dvc.lock, but named in their commands", loaded.summary(arguments)),
        ("of these changed after dvc.lock was committed", ", ".join(changed)),
        ("other bytes in git than in a checkout, as attributes of the commit ask", loaded.summary(place.converted)),
    ):
        if names:
            _say(f"note: {topic}: {names}")
    for sentence in sentences[:_FEW]:
        _say(f"note: {sentence}")
    if len(sentences) > _FEW:
        _say(f"note: and {len(sentences) - _FEW} more, in the receipt")
    digests = {name: files.md5_file(place.folder / name) for name in uncovered}
    return Circumstances(digests, changed, sentences, others)


def _examine(store: StoreProcess, target: Target, place: Checkout, recorded: Lock, identical: bool) -> list[RunRecord]:
    """The model's runs, compared where the outputs are ``identical``; the run that was asked for is told line by line.

    Raises: UserError if the store of a run that was asked for cannot be reached.
    """
    key = comparison.model_key(place, recorded)
    try:
        with screen.bar("comparing MLflow's runs"):
            runs = run_record.examine(store, key, target.run_id, place if identical else None)
    except UserError as error:
        if target.run_id:
            raise
        _say(f"warning: MLflow's runs are not compared: {error}")
        return []
    for run in runs:
        if run.run_id == target.run_id:
            _print(run.trial().findings if identical else [])
    return runs


def _attach(store: StoreProcess, target: Target, runs: Sequence[RunRecord], identical: bool, path: Path) -> None:
    """Put verdict and the receipt at ``path`` on the model's runs; never a failure."""
    verdicts = {}
    for run in runs:
        verdict = run.verdict(target.commit, identical, run.run_id == target.run_id)
        if verdict:
            verdicts[run.run_id] = verdict
        elif run.differing:
            first, others = run.differing[0], len(run.differing) - 1
            more = f", and {others} more" if others else ""
            command = f"python -m pipeline verify {run.run_id[:8]}"
            _say(f"not this commit's: {first.place}: {first.difference}{more}; `{command}` tells all")
    try:
        if verdicts:
            store.attach(verdicts, path.read_text(encoding="utf-8"))
    except UserError as error:
        _say(f"warning: the receipt is not in MLflow: {error}")
        return
    for run_id, verdict in verdicts.items():
        _say(f"MLflow run {run_id[:8]}: tag verified = {verdict}")
