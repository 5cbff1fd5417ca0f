"""A stage that is left to the child of a later one, through the outbox, so that it need not wait for MLflow to load.

A training that is still running after tracking.live_after_s is there to be watched, so it gets a child of its own.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline import screen
from pipeline.errors import UserError
from pipeline.repository import project
from pipeline.tracking.client import outbox, run_context
from pipeline.tracking.client.mirror import Mirror, begun_entry, finish, now_ms, status_of
from pipeline.tracking.client.params import TrackingParams
from pipeline.tracking.client.thinning import Recent


class DeferredMirror:
    """What a stage tells, kept until it ends, or told to a child from the moment that there is one."""

    def __init__(
        self,
        stage: str,
        params: TrackingParams,
        document: Mapping[str, Any],
        paths: Mapping[str, Path],
        *,
        is_followed: bool = False,
    ) -> None:
        self._is_followed = is_followed
        self._entry = begun_entry(stage, params, document)
        self._params, self._paths = params, dict(paths)
        self._live_from = time.monotonic() + params.live_after_s
        self._recent = Recent()
        self._checkpoint_key = ""
        self._mirror: Mirror | None = None

    def begun(self, key: str) -> None:
        """Tell the key of a training's checkpoint, by which a later process finds the run if this one is killed."""
        self._checkpoint_key = key

    def resumed(self) -> None:
        """Tell that the training goes on where an earlier process was stopped, so that its run goes on too."""
        self._live().resumed()

    def watch(self, record: dict[str, Any]) -> None:
        """Take an epoch's record."""
        if self._mirror is not None:
            self._mirror.watch(record)
            return
        self._recent.add(record)
        if time.monotonic() >= self._live_from:
            self._live().catch_up(self._recent.take())

    def _live(self) -> Mirror:
        """The child, started unless it runs."""
        if self._mirror is None:
            self._mirror = Mirror(self._entry, self._params, self._paths)
            if self._checkpoint_key:
                self._mirror.begun(self._checkpoint_key)
        return self._mirror

    def stop(self, status: str) -> None:
        """Tell that the stage ended early."""
        if self._mirror is not None:
            self._mirror.stop(status)

    def finish(self) -> None:
        """Keep the stage, which ended well, for a later one's child; or wait for its own."""
        if self._mirror is not None:
            finish(self._mirror, self._params)
            return
        circumstances = run_context.here().to_json()
        ended = replace(self._entry, circumstances=circumstances, records=self._recent.take(), ended=now_ms())
        try:
            outbox.keep(project.project_root(), ended, self._paths)
        except (OSError, UserError) as error:
            screen.say(f"warning: MLflow: this stage cannot be kept for it ({error})", error=True)
        else:
            if not self._is_followed:
                screen.say("MLflow: a later stage records this one, too, or `python -m pipeline track`")


@contextmanager
def deferred(
    stage: str,
    params: TrackingParams,
    document: Mapping[str, Any],
    paths: Mapping[str, Path],
    *,
    is_followed: bool = False,
) -> Iterator[DeferredMirror]:
    """Defer the stage that runs inside the block; arguments as ``mirror.started`` takes them.

    Where a stage follows in the same call of DVC (``is_followed``), nobody need be told.
    The block's exceptions pass through unchanged, and what failed is not kept.
    """
    mirror = DeferredMirror(stage, params, document, paths, is_followed=is_followed)
    try:
        yield mirror
    except BaseException as error:
        mirror.stop(status_of(error))
        raise
    mirror.finish()
