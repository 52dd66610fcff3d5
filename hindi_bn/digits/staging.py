"""The data folder while something is put into it: locked, staged beside, moved in one step."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from hindi_bn.digits.dataset import Note
from hindi_bn.errors import DataError
from hindi_bn.files import cannot_write, remove_leftovers

PATIENCE = 1800.0  # seconds to wait for another process that is filling the same data folder

LOCK, INCOMING, OUTGOING = ".lock", ".incoming-", ".outgoing-"


@contextlib.contextmanager
def locked(data_dir: Path, note: Note | None = None) -> Iterator[None]:
    """Keep other processes out of `data_dir`, and clear what an interrupted one left there.

    It is made if it is missing; `note` is called when another process has to be waited for.
    HindiBnError when the folder cannot be written; DataError when it is held beyond `PATIENCE`.
    """
    with cannot_write(f"to {data_dir}"):
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = FileLock(data_dir / LOCK)
        _acquire(lock, data_dir, note)
    try:
        with cannot_write(f"to {data_dir}"):
            _clear_leftovers(data_dir)
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def staged(data_dir: Path) -> Iterator[Path]:
    """Give a temporary folder inside `data_dir`, removed in the end, whatever happens.

    HindiBnError when something in the block cannot be written (read-only folder, full disk).
    """
    with cannot_write(f"to {data_dir}"):
        folder = Path(tempfile.mkdtemp(prefix=INCOMING, dir=data_dir))
    try:
        with cannot_write(f"to {data_dir}"):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def install(folder: Path, final: Path) -> None:
    """Move a finished folder to its final name; one that is there is replaced.

    `os.rename` cannot replace a folder that holds files, so the old one steps aside first; should
    the process die between the two moves, the next one puts the old folder back.
    """
    if not final.exists():
        folder.rename(final)
        return
    aside = Path(tempfile.mkdtemp(prefix=OUTGOING, dir=final.parent))
    final.rename(aside / final.name)
    folder.rename(final)
    shutil.rmtree(aside)


def _acquire(lock: FileLock, data_dir: Path, note: Note | None) -> None:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if note is not None:
            note(f"Another process is filling {data_dir}; waiting for it.")
        try:
            lock.acquire(timeout=PATIENCE)
        except Timeout as error:
            raise DataError(
                f"Another process has been filling {data_dir} for too long.",
                f"Its lock {data_dir / LOCK} is still held after {PATIENCE:,.0f} seconds.",
                "end that process, or choose another folder with --data-dir",
            ) from error


def _clear_leftovers(data_dir: Path) -> None:
    for aside in data_dir.glob(f"{OUTGOING}*"):
        for old in aside.iterdir():
            if not (data_dir / old.name).exists():
                old.rename(data_dir / old.name)
        shutil.rmtree(aside)
    for incoming in data_dir.glob(f"{INCOMING}*"):
        shutil.rmtree(incoming)
    remove_leftovers(data_dir)
