"""Safe unpacking: an archive's or a folder's digits, copied into the normalised layout.

Every member is checked before anything is written: no absolute paths, no `..`, no links or
devices, bounded in number and size. Only the digits' images are written, under names made here.
"""

import contextlib
import errno
import gzip
import io
import itertools
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from hindi_bn.digits.images import Advance, silent
from hindi_bn.digits.layout import Place, choose, place
from hindi_bn.errors import DataError

MAX_MEMBERS = 250_000  # the full data set has 92,000 images
MAX_BYTES = 2**30  # all members together, unpacked; the full data set has about 0.1 GB
MAX_IMAGE_BYTES = 2**16  # a 32 x 32 RGB image needs at most 4 kB
MAX_NESTING = 2  # archives inside archives
ENDINGS = (".zip", ".tar.gz", ".tgz", ".tar")
CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
ANOTHER_SOURCE = "take another copy or another source: hindi-bn download --help"
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError,
          EOFError, OSError, NotImplementedError, RuntimeError, UnicodeDecodeError)  # fmt: skip


@dataclass(frozen=True)
class Member:
    """A file in an archive or folder: its path with forward slashes, and its size in bytes."""

    path: str
    size: int


@dataclass(frozen=True)
class Container(ABC):
    """What can be unpacked: a zip file, a tar file or a folder."""

    path: Path

    @abstractmethod
    def members(self) -> Iterator[Member]:
        """Yield the files; a link or a device is refused."""

    @abstractmethod
    def contents(self, wanted: set[str]) -> Iterator[tuple[str, IO[bytes]]]:
        """Yield path and open file for each wanted path."""


def unpack(source: Path, destination: Path, advance: Advance = silent, *, nesting: int = 0) -> None:
    """Copy the digits of an archive or folder into `destination` in the normalised layout.

    The source is a .zip, .tar, .tar.gz or .tgz file (known by content, not by name) or a folder,
    with `Train` and `Test` at any depth; an archive inside it is looked into when it has none. The
    destination is an empty folder, which the caller removes when this fails: DataError when the
    source is no archive, is damaged, holds unsafe members or no digits; OSError when writing fails.
    """
    container = open_container(source)
    with naming_damage(source):
        members = list(checked(container.members(), source.name))
    chosen = choose(member.path for member in members)
    if not chosen:
        _unpack_nested(container, members, destination, advance, nesting)
        return
    sizes = {member.path: member.size for member in members}
    for path in chosen:
        if sizes[path] > MAX_IMAGE_BYTES:
            raise _unsafe(source.name, f"{path} has {sizes[path]:,} bytes, too many for a digit")
    _copy(container, chosen, destination, advance)


def open_container(source: Path) -> Container:
    """Return the container that a path is, by its content; DataError when it is none."""
    if source.is_dir():
        return _Folder(source)
    try:
        with source.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        why = error.strerror or str(error)
        raise DataError(f"{source} cannot be read.", why, "check the path") from error
    if zipfile.is_zipfile(source):
        return _Zip(source)
    if start.startswith(b"\x1f\x8b") or start[257:262] == b"ustar":
        return _Tar(source)
    kind = "a damaged or cut-off zip" if start.startswith(b"PK") else "neither a zip nor a tar file"
    raise DataError(
        f"{source.name} is not an archive that can be unpacked.",
        f"It is {kind} ({source.stat().st_size:,} bytes"
        + (f", beginning with {start[:24]!r})." if start else ")."),
        ANOTHER_SOURCE,
    )


def checked(members: Iterator[Member], name: str) -> Iterator[Member]:
    """Pass members on; DataError at a path that leads out, or beyond the bounds."""
    total = 0
    for count, member in enumerate(members, start=1):
        path = member.path
        parts = path.replace("\\", "/").split("/")
        if not parts[0] or path[1:2] == ":" or ".." in parts:
            raise _unsafe(name, f"{path} leads out of the folder it is unpacked to")
        total += member.size
        if count > MAX_MEMBERS:
            raise _unsafe(name, f"it holds more than {MAX_MEMBERS:,} files")
        if total > MAX_BYTES:
            raise _unsafe(name, f"it unpacks to more than {MAX_BYTES:,} bytes")
        yield member


@contextlib.contextmanager
def naming_damage(source: Path) -> Iterator[None]:
    """Turn whatever an archive's reader trips over into an error that names the archive."""
    try:
        yield
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno in CANNOT_WRITE:
            raise
        what, why = f"{source.name} is damaged or cannot be read.", str(error)
        raise DataError(what, why or type(error).__name__, ANOTHER_SOURCE) from error


class _Zip(Container):
    def members(self) -> Iterator[Member]:
        with zipfile.ZipFile(self.path) as archive:
            for info in archive.infolist():
                kind = stat.S_IFMT(info.external_attr >> 16)
                if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
                    raise _unsafe(self.path.name, f"{info.filename} is a link or a device")
                if not info.is_dir():
                    yield Member(info.filename, info.file_size)

    def contents(self, wanted: set[str]) -> Iterator[tuple[str, IO[bytes]]]:
        with zipfile.ZipFile(self.path) as archive:
            for path in sorted(wanted):
                with archive.open(path) as file:  # which checks size and CRC
                    yield path, file


class _Tar(Container):
    """Compressed with gzip or not; read as a stream that is bounded in size."""

    @contextlib.contextmanager
    def _open(self) -> Iterator[tarfile.TarFile]:
        with self.path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            plain: io.BufferedIOBase = gzip.GzipFile(fileobj=raw) if packed else raw
            bounded = _Bounded(plain, 2 * MAX_BYTES, self.path.name)
            with tarfile.open(fileobj=bounded, mode="r|") as archive:
                yield archive

    def members(self) -> Iterator[Member]:
        with self._open() as archive:
            for info in archive:
                if not (info.isreg() or info.isdir()):
                    raise _unsafe(self.path.name, f"{info.name} is a link or a device")
                if info.isreg():
                    yield Member(info.name, info.size)

    def contents(self, wanted: set[str]) -> Iterator[tuple[str, IO[bytes]]]:
        with self._open() as archive:
            for info in archive:
                file = archive.extractfile(info) if info.name in wanted else None
                if file is not None:
                    yield info.name, file


class _Folder(Container):
    """Links to other folders are not followed, and those in an image's place are refused."""

    def members(self) -> Iterator[Member]:
        for folder, _, names in os.walk(self.path, onerror=_raise):
            for name in names:
                file = Path(folder, name)
                path, facts = file.relative_to(self.path).as_posix(), file.lstat()
                if stat.S_ISREG(facts.st_mode):
                    yield Member(path, facts.st_size)
                elif place(path) is not None:
                    raise _unsafe(self.path.name, f"{path} is a link or a device")

    def contents(self, wanted: set[str]) -> Iterator[tuple[str, IO[bytes]]]:
        for path in sorted(wanted):
            with (self.path / path).open("rb") as file:
                yield path, file


class _Bounded(io.RawIOBase):
    """A stream that refuses to give more than `limit` bytes, against archives that swell."""

    def __init__(self, stream: io.BufferedIOBase, limit: int, name: str) -> None:
        self._stream, self._left, self._name = stream, limit, name

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise _unsafe(self._name, f"it unpacks to more than {MAX_BYTES:,} bytes")
        return data


def _copy(
    container: Container, chosen: dict[str, Place], destination: Path, advance: Advance
) -> None:
    for folder in {image.path.parent for image in chosen.values()}:
        (destination / folder).mkdir(parents=True, exist_ok=True)
    contents = container.contents(set(chosen))
    for done in itertools.count(1):
        with naming_damage(container.path):
            path, file = next(contents, ("", None))
            if file is None:
                return
            data = file.read(MAX_IMAGE_BYTES + 1)
        (destination / chosen[path].path).write_bytes(data)
        advance("Unpacking", done, len(chosen))


def _unpack_nested(
    container: Container, members: list[Member], destination: Path, advance: Advance, nesting: int
) -> None:
    inner = sorted(member.path for member in members if member.path.lower().endswith(ENDINGS))
    if isinstance(container, _Folder) or nesting >= MAX_NESTING or len(inner) != 1:
        raise _no_digits(container.path, members)
    copy = destination / f".nested-{nesting}"
    with naming_damage(container.path), copy.open("wb") as target:
        for _, file in container.contents(set(inner)):
            shutil.copyfileobj(file, target)
    unpack(copy, destination, advance, nesting=nesting + 1)
    copy.unlink()


def _raise(error: OSError) -> None:
    raise error


def _no_digits(source: Path, members: list[Member]) -> DataError:
    tops = sorted({PurePosixPath(member.path).parts[0] for member in members if member.path})
    found = ", ".join(tops[:5]) + (" …" if len(tops) > 5 else "")  # noqa: PLR2004
    return DataError(
        f"There are no digits in {source.name}.",
        "No PNG was found in digit_0 … digit_9 (or 0 … 9) under a folder Train or Test; "
        f"at its top it has: {found or 'nothing'}.",
        ANOTHER_SOURCE,
    )


def _unsafe(name: str, why: str) -> DataError:
    return DataError(f"{name} is refused.", f"Not safe to unpack: {why}.", ANOTHER_SOURCE)
