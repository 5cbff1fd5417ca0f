"""`python -m pipeline WORD ...`, or `softmax WORD ...`: the one entry point.

A mistake of the user is one message and exit status 1; misuse of the command line exits 2; a bug keeps its traceback.
"""

import atexit
import errno
import gc
import io
import os
import signal
import sys
from typing import NoReturn

try:
    import click

    from pipeline import screen
    from pipeline.commands import interruption, launch, own_code
    from pipeline.commands.cli import cli
    from pipeline.errors import UserError
    from pipeline.parallel import workers
    from pipeline.repository import git
except KeyboardInterrupt:  # Ctrl-C while modules load
    sys.exit(130)
except ModuleNotFoundError as error:
    if error.name != "click":
        raise
    sys.exit("softmax: the command line is not installed, only the model in Python; pip install with [pipeline]")

# What a disk or its owner refuses: a person mends it, and a traceback would only hide what.
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_FULL = (errno.ENOSPC, errno.EDQUOT)


# Set by the script of a shell that completes words, and by whoever asks click for that script.
_COMPLETION = "_SOFTMAX_COMPLETE"


def _terminate(signal_number: int, _frame: object) -> NoReturn:
    """End as Ctrl-C does, through every ``finally``, so that a run in MLflow is not left running."""
    sys.exit(128 + signal_number)


def _way_back() -> str:
    """DVC takes a stage's outputs away before it runs the stage, and its cache still has them; `check` has none."""
    if os.environ.get("DVC_STAGE", "check") == "check":
        return ""
    return "\n  the stage's earlier outputs: `dvc checkout` brings them back"


def _refusal(error: OSError) -> str:
    reason = os.strerror(error.errno or 0).lower()
    return f"{error.filename}: {reason}; change its permissions, or work in a folder that can be written"


def _escape_what_cannot_be_written() -> None:
    """Let a name that a stream's encoding lacks be escaped, where it would end the command.

    On Windows a file or a pipe gets UTF-8, as it does everywhere else, and there too from Python 3.15 on (PEP 686).
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
            if sys.platform == "win32" and not stream.isatty():
                stream.reconfigure(encoding="utf-8")


def main(program: str = "python -m pipeline") -> None:
    """Run the command line, as the person called it; the exit status is the process's."""
    _escape_what_cannot_be_written()
    git.leave_repository_of_hook()
    if _COMPLETION not in os.environ:
        own_code.run_that_of_project()
    if workers.rank():
        # It has nothing to clean up, and while it waits for the others in a collective no handler would be run.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    else:
        signal.signal(signal.SIGTERM, _terminate)
    try:
        cli.main(prog_name=program, complete_var=_COMPLETION, standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output, such as `head`, has read enough. What is still to be written goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    except (UserError, workers.LostWorkerError) as error:
        if not launch.tell(error):
            screen.say(f"{launch.message(error)}{_way_back()}", error=True)
        sys.exit(1)
    except OSError as error:
        if error.errno in _FULL:
            # What is still to be written to standard output would fail again when Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            place = error.filename or "what was to be written"
            reason = f"{os.strerror(error.errno).lower()}; make room, or write elsewhere"
            screen.say(f"{place}: {reason}{_way_back()}", error=True)
            sys.exit(1)
        if error.errno not in _REFUSED or not error.filename:
            raise
        screen.say(f"{_refusal(error)}{_way_back()}", error=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort as abort:
        sentence = interruption.advice(abort.__cause__)
        if sentence and not launch.is_worker():
            screen.say(f"interrupted: {sentence}{_way_back()}", error=True)
        sys.exit(130)
    finally:
        # All is written or given up: what a signal raised among the exit handlers would only be noise.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def softmax() -> None:
    """Run the script `softmax`, which takes the same words."""
    _collect_no_garbage()
    main("softmax")


def _collect_no_garbage() -> None:
    """Loading torch makes many objects and no garbage: collecting while it loads, and at exit, costs a second."""
    gc.disable()
    atexit.register(gc.freeze)


if __name__ == "__main__":
    _collect_no_garbage()
    main()
