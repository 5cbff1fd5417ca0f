"""Start a stage in as many processes as params.yaml asks for, through torchrun.

Under `torchrun -m pipeline STAGE` the processes are there already, and the param is not looked at.
"""

import logging
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pipeline import files
from pipeline.errors import UserError, quoted
from pipeline.parallel import workers
from pipeline.parallel.threads import processor_count
from pipeline.params import read_params

WORKERS_VARIABLE = "PIPELINE_WORKERS"  # for workers, what OMP_NUM_THREADS is for threads

# Where a worker leaves the sentence that its launcher says: a folder, since several may end at the same moment.
_ERRORS_VARIABLE = "PIPELINE_ERRORS"
_MISTAKE, _LOST = "mistake", "lost"  # that another worker was lost is news only if that one has not told why


def worker_count(path: Path) -> int:
    """The number of processes in the params file, or, where it is set, in the variable WORKERS_VARIABLE.

    Raises: UserError if it is not a whole number of at least 1.
    """
    given = os.environ.get(WORKERS_VARIABLE)
    place, count = f"{path}: workers", read_params(path).get("workers", 1)
    if given is not None:
        place, count = WORKERS_VARIABLE, int(given) if given.isdecimal() else given
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise UserError(f"{place}: expected a whole number of at least 1, got {quoted(count)}; 1 is one process")
    return count


def is_worker() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def is_launcher() -> bool:
    """Whether this process started workers that run its stage."""
    return _ERRORS_VARIABLE in os.environ and not is_worker()


def run(words: Sequence[str], count: int) -> None:
    """Run `python -m pipeline` with these words in so many processes on this machine; return when all have ended well.

    Raises: UserError that the first of them to fail met, or that one was lost; SystemExit if one failed otherwise, and
    has said why, or if a signal ended them; KeyboardInterrupt if that was Ctrl-C.
    """
    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    threads = max(1, processor_count() // count)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    if sys.platform == "win32":
        os.environ.setdefault("USE_LIBUV", "0")  # torch is built without it there, and asks for it all the same
    # They would add their own reports of every failure, and of Ctrl-C.
    for name in ("torch.distributed", "torch.distributed.elastic.agent.server.api"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[_ERRORS_VARIABLE] = folder
        try:
            torchrun.main(["--standalone", f"--nproc-per-node={count}", "-m", "pipeline", *words])
        except SignalException as ended:
            if ended.sigval == signal.SIGINT:
                raise KeyboardInterrupt from None
            sys.exit(128 + ended.sigval)
        except ChildFailedError as failed:
            sentences = [path for kind in (_MISTAKE, _LOST) for path in sorted(Path(folder).glob(f"{kind}-*.txt"))]
            if sentences:
                raise UserError(sentences[0].read_text(encoding="utf-8")) from None
            sys.exit(max(1, failed.get_first_failure()[1].exitcode))


def tell(error: Exception) -> bool:
    """Pass a worker's error on to the process that launched it; whether there is one that will say it."""
    if _ERRORS_VARIABLE not in os.environ or not is_worker():
        return False
    kind = _MISTAKE if isinstance(error, UserError) else _LOST
    files.write_text(Path(os.environ[_ERRORS_VARIABLE]) / f"{kind}-{workers.rank():06}.txt", message(error))
    return True


def message(error: Exception) -> str:
    """The sentence for a person; of a lost worker with what to do."""
    if isinstance(error, workers.LostWorkerError):
        return f"{error}; run the stage again, a training goes on from its checkpoint"
    return str(error)
