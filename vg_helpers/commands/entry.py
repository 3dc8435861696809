"""How every command ends: an error that the user can mend is one sentence and exit code 2; `--debug` shows its origin.

This is the only list of errors that commands catch. Anything else is a fault of this project and keeps its traceback.
"""

import argparse
import errno
import os
import sys
import traceback
from collections.abc import Callable, Sequence

from ..passwords import without_passwords

DEVICES = "auto, cpu, cuda or mps (auto: the GPU if there is one)"  # the help of --device
WEIGHTS = (
    "what the network has learnt: imagenet, embedded (small, in this project) or none (random, for tests); auto takes "
    "ImageNet's, else the embedded ones (auto)"
)
FAILED, STOPPED, UNREAD = 2, 130, 141  # exit codes
FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
NO_MEMORY = "DefaultCPUAllocator"  # in torch's RuntimeError if the memory of the machine does not suffice
LIBRARIES = (("sqlalchemy.exc", "SQLAlchemyError"), ("optuna.exceptions", "OptunaError"), ("torch", "OutOfMemoryError"))


def run(
    parser: argparse.ArgumentParser,
    work: Callable[[argparse.Namespace], int | None],
    arguments: Sequence[str] | None = None,
    stopped: str = "stopped",
) -> int:
    """Return the exit code of `work(options)`; None counts as 0.

    Args:
        parser: gets the option --debug; errors are shown as "error: …".
        stopped: what Ctrl-C prints, for example how to go on.
    """
    parser.add_argument("--debug", action="store_true", help="show where an error arose")
    words = list(sys.argv[1:] if arguments is None else arguments)
    # files may stand before and after options; the second function does not know "--"
    options = (parser.parse_args if "--" in words else parser.parse_intermixed_args)(words)
    try:
        return work(options) or 0
    except KeyboardInterrupt:
        print(f"\n{stopped}", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:  # `run.py predict … | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains at its end
        return UNREAD
    except (*expected_errors(), RuntimeError) as error:
        if not isinstance(error, expected_errors()) and NO_MEMORY not in str(error):
            raise
        if options.debug:
            traceback.print_exc()
        print(f"error: {sentence(error)}", file=sys.stderr)
        return FAILED


def expected_errors() -> tuple[type[BaseException], ...]:
    """Return the kinds of error that have a cause outside the code: files, values, memory, databases, packages.

    A library that was never imported cannot have raised its own, so none is imported for this.
    """
    loaded = [getattr(sys.modules[module], name) for module, name in LIBRARIES if module in sys.modules]
    return (OSError, ValueError, FloatingPointError, MemoryError, ImportError, *loaded)


def sentence(error: BaseException) -> str:
    """Return one printable line that says what went wrong, without passwords of database addresses.

    >>> sentence(OSError(errno.ENOSPC, "No space left on device", "a.png"))
    'the disk is full (a.png): make room and run the same command again'
    >>> sentence(PermissionError(errno.EACCES, "Permission denied", "a.png"))
    'a.png: permission denied'
    >>> sentence(ValueError("cannot open sqlite://me:secret@host/db"))
    'cannot open sqlite://me:***@host/db'
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    text, place = lines[0], getattr(error, "filename", None)
    if isinstance(error, OSError) and error.errno in FULL:
        text = f"the disk is full{f' ({place})' if place else ''}: make room and run the same command again"
    elif NO_MEMORY in text:
        text = "memory is too short: take smaller pictures or fewer at a time, or close other programs"
    elif isinstance(error, OSError) and error.strerror and place:
        text = f"{place}: {error.strerror[0].lower()}{error.strerror[1:]}"
    return without_passwords(text).encode("utf-8", "backslashreplace").decode()  # names of files need not be Unicode
