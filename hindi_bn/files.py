"""Writing files so that nothing half-written ever stands under a final name.

What is temporary is held by its process with a lock that a kill releases: what nobody holds is a
leftover, and whoever next writes beside it removes it. On Windows leftovers stay.
"""

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import sys
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from hindi_bn.errors import HindiBnError, RunError

if sys.platform != "win32":
    import fcntl

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{32}\.tmp(\..+)?")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary file beside `path`; flush it to disk and rename it when the block succeeds.

    It has the final suffix, at which some savers look. The folder is made if it is missing;
    HindiBnError when it cannot be written (read-only, full disk), and `path` is then untouched.
    """

    def make() -> Path:
        temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.tmp{path.suffix}")
        temporary.touch(exist_ok=False)
        return temporary

    with cannot_write(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path.parent)
        with _held(make) as temporary:
            mode = temporary.stat().st_mode
            try:
                yield temporary
                _flush(temporary)
                temporary.chmod(mode)  # safetensors lets only its owner read a file
                temporary.replace(path)
                _flush(path.parent)
            finally:
                temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files directly in `folder` that no process holds."""
    if sys.platform == "win32":
        return
    for path in [path for path in folder.iterdir() if _TEMPORARY.fullmatch(path.name)]:
        with contextlib.suppress(OSError):  # held, or another user's
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(descriptor)


@contextlib.contextmanager
def _held(make: Callable[[], Path]) -> Iterator[Path]:
    """Make a temporary file and hold it; another one if it was taken for a leftover before."""
    path, descriptor = make(), None
    while sys.platform != "win32" and (descriptor := _hold(path)) is None:
        path = make()
    try:
        yield path
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _hold(path: Path) -> int | None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    with contextlib.suppress(OSError):  # some network drives know no locks; nobody removes there
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    if path.exists():
        return descriptor
    os.close(descriptor)
    return None


@contextlib.contextmanager
def cannot_write(what: str) -> Iterator[None]:
    """Turn the system's refusal to write into an error that says what to do."""
    try:
        yield
    except OSError as error:
        why, next_step = error.strerror or str(error), "choose another folder"
        if isinstance(error, FileExistsError | NotADirectoryError):
            why, next_step = "A file is where a folder should be.", "choose a folder"
        elif error.errno in {errno.ENOSPC, errno.EDQUOT}:
            next_step = "free some space, or choose a folder on another disk"
        elif error.errno in {errno.EFBIG, errno.EMFILE, errno.ENFILE}:
            next_step = "raise that limit (see `ulimit -a`)"
        unchanged = "what was there before is unchanged"
        raise HindiBnError(f"Cannot write {what}.", why, f"{next_step}; {unchanged}") from error


@contextlib.contextmanager
def refused(what: str, next_step: str, kind: type[HindiBnError] = RunError) -> Iterator[None]:
    """Turn what goes wrong while a file is read into an error of a kind."""
    try:
        yield
    except KeyError as error:
        raise kind(what, f"It has no entry {error}.", next_step) from error
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise kind(what, one_line(error), next_step) from error


def refuse_special(path: Path) -> None:
    """Raise OSError for what is neither a file nor a folder: reading a pipe would never end."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "It is a pipe, a socket or a device")


def sha256_of(file: Path) -> str:
    """Return the sha256 of a file's bytes, in hexadecimal; OSError as reading gives it."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def digest_of(document: Any) -> str:
    """Return the sha256 (hex) of a document that JSON can hold; floats at full precision."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def write_sealed(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document with the digest of the rest of it beside the rest; see `read_sealed`."""
    write_json(path, {**document, "digest": digest_of(document)})


def read_sealed(path: Path, before: Collection[str] = ()) -> dict[str, Any]:
    """Read what `write_sealed` wrote; ValueError or OSError when it is not as it was written.

    A document with exactly the keys `before` is of before there were digests, and taken as it is.
    """
    document = dict(json.loads(path.read_text(encoding="utf-8")))
    if set(document) != set(before) and document.pop("digest", "") != digest_of(document):
        raise ValueError(f"{path.name} does not have the digest that it was written with")
    return document


def one_line(error: BaseException) -> str:
    """Return what an error says in a line, or its kind where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def write_json(path: Path, document: Any) -> None:
    """Write a document that JSON can hold to `path` in one step."""
    write_text(path, json_text(document))


def json_text(document: Any) -> str:
    """Write a document that JSON can hold, for people to read too."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_text(path: Path, text: str) -> None:
    """Write `text` (UTF-8) to `path` in one step; see `replacing` for the errors."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def plain_json(value: Any) -> Any:
    """Return what JSON can hold: numbers that are not finite as null, numpy's as Python's."""
    if isinstance(value, Mapping):
        return {str(key): plain_json(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(entry) for entry in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
