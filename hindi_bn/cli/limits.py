"""Errors of a system that gives no more: what ran out, and what raises that limit."""

import errno
import traceback
from collections.abc import Iterator

from hindi_bn.errors import HindiBnError

FILES = "raise the limit of open files (`ulimit -n 1024`), or use fewer --workers"
MEMORY = "free some memory, raise the limit (`ulimit -v unlimited`), or use fewer --workers"
PROCESSES = "raise the limit of processes and threads (`ulimit -u`), or use fewer --workers"
SIZE = "raise the limit of a file's size (`ulimit -f unlimited`); finished epochs are kept"
SPACE = "free some space, or choose a folder on another disk"

NUMBERS = {
    errno.EMFILE: ("Too many files are open.", FILES),
    errno.ENFILE: ("Too many files are open.", FILES),
    errno.ENOMEM: ("There is not enough memory.", MEMORY),
    errno.EAGAIN: ("No further process can be started.", PROCESSES),
    errno.EFBIG: ("A file would be larger than is allowed.", SIZE),
    errno.ENOSPC: ("The disk is full.", SPACE),
    errno.EDQUOT: ("The disk is full.", SPACE),
    errno.EIO: (
        "The disk failed.",
        "look into the system's log, or choose a folder on another disk",
    ),
}

TEXTS = {
    "can't start new thread": NUMBERS[errno.EAGAIN],
    "can't allocate memory": NUMBERS[errno.ENOMEM],
    "cannot allocate memory": NUMBERS[errno.ENOMEM],
    "failed to map segment": NUMBERS[errno.ENOMEM],
    "too many open files": NUMBERS[errno.EMFILE],
}
"""What Python, torch and the dynamic loader say, in small letters."""


def scarce(error: BaseException) -> HindiBnError | None:
    """Return what to tell where an error, or one that it came from, is of a limit of the system."""
    for each in _causes(error):
        found = None
        if isinstance(each, OSError) and each.errno is not None:
            found = NUMBERS.get(each.errno)
        elif isinstance(each, MemoryError):
            found = NUMBERS[errno.ENOMEM]
        found = found or next((TEXTS[text] for text in TEXTS if text in str(each).lower()), None)
        if found is not None:
            said = "".join(traceback.format_exception_only(each)).strip()
            return HindiBnError(found[0], said[:500], found[1])
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
