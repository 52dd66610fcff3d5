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
from hindi_bn.files import refuse_special

MAX_MEMBERS = 100_000  # the full data set has 92,000 images
MAX_BYTES = 2**30  # all members together, unpacked; the full data set has about 0.1 GB
MAX_IMAGE_BYTES = 2**16  # a 32 x 32 RGB image needs at most 4 kB
MAX_HEADERS = 2**16  # bytes between two members of a tar file
MAX_DIRECTORY = 2**24  # bytes of a zip's directory; the full data set's has about 12 MB
LONGEST_PATH = 100  # characters in a message
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
            raise _unsafe(
                source.name, f"{_cut(path)} has {sizes[path]:,} bytes, too many for a digit"
            )
    _copy(container, chosen, destination, advance)


def open_container(source: Path) -> Container:
    """Return the container that a path is, by its content; DataError when it is none."""
    if source.is_dir():
        return _Folder(source)
    try:
        refuse_special(source)
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
            raise _unsafe(name, f"{_cut(path)} leads out of the folder it is unpacked to")
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
        _bound_directory(self.path)
        with zipfile.ZipFile(self.path) as archive:
            for info in archive.infolist():
                kind = stat.S_IFMT(info.external_attr >> 16)
                if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
                    raise _unsafe(self.path.name, f"{_cut(info.filename)} is a link or a device")
                if not info.is_dir():
                    yield Member(info.filename, info.file_size)

    def contents(self, wanted: set[str]) -> Iterator[tuple[str, IO[bytes]]]:
        with zipfile.ZipFile(self.path) as archive:
            for path in sorted(wanted):
                with archive.open(path) as file:  # which checks size and CRC
                    yield path, file


class _Tar(Container):
    """Compressed with gzip or not; read as a stream that is bounded in size."""

    def _entries(self) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
        """Yield each entry and the archive, which keeps none of them."""
        with self.path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            plain: io.BufferedIOBase = gzip.GzipFile(fileobj=raw) if packed else raw
            bounded = _Bounded(plain, self.path.name)
            with tarfile.open(fileobj=bounded, mode="r|") as archive:
                while (info := archive.next()) is not None:
                    archive.members.clear()  # type: ignore[attr-defined]  # else it keeps all
                    if sum(map(len, archive.pax_headers.values())) > MAX_HEADERS:
                        raise _unsafe(self.path.name, "its headers are too large")
                    bounded.allow(info.size)
                    yield info, archive

    def members(self) -> Iterator[Member]:
        for info, _ in self._entries():
            if not (info.isreg() or info.isdir()):
                raise _unsafe(self.path.name, f"{_cut(info.name)} is a link or a device")
            if info.isreg():
                yield Member(info.name, info.size)

    def contents(self, wanted: set[str]) -> Iterator[tuple[str, IO[bytes]]]:
        for info, archive in self._entries():
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
                    raise _unsafe(self.path.name, f"{_cut(path)} is a link or a device")

    def contents(self, wanted: set[str]) -> Iterator[tuple[str, IO[bytes]]]:
        for path in sorted(wanted):
            with (self.path / path).open("rb") as file:
                yield path, file


class _Bounded(io.RawIOBase):
    """A tar's stream, against archives that swell: in all, and in the headers before a member.

    tarfile reads a header's long name or extension whole, however long it says that it is.
    """

    def __init__(self, stream: io.BufferedIOBase, name: str) -> None:
        self._stream, self._name = stream, name
        self._left, self._headers = 2 * MAX_BYTES, MAX_HEADERS

    def allow(self, size: int) -> None:
        """Let a member of so many bytes and the headers after it be read."""
        self._headers = size + MAX_HEADERS

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        self._headers -= len(data)
        if self._left < 0:
            raise _unsafe(self._name, f"it unpacks to more than {MAX_BYTES:,} bytes")
        if self._headers < 0:
            raise _unsafe(self._name, f"there are more than {MAX_HEADERS:,} bytes before a member")
        return data


def _bound_directory(path: Path) -> None:
    """Refuse a zip file whose directory, which zipfile reads whole, is too large or too long.

    Where it is, the file's end says (PKWARE's APPNOTE.TXT, 4.3.14 and 4.3.16).
    """
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 2**16 - 22))
        tail = file.read()
        at = tail.rfind(b"PK\5\6")
        size = int.from_bytes(tail[at + 12 : at + 16], "little")
        large = tail.rfind(b"PK\6\6", 0, at)  # the same in 64 bits
        if large >= 0:
            at, size = large, int.from_bytes(tail[large + 40 : large + 48], "little")
        if size > MAX_DIRECTORY:
            raise _unsafe(path.name, f"its directory has {size:,} bytes")
        file.seek(max(0, end - len(tail) + at - size))
        if file.read(size).count(b"PK\1\2") > MAX_MEMBERS:
            raise _unsafe(path.name, f"it holds more than {MAX_MEMBERS:,} files")


def _cut(path: str) -> str:
    return path if len(path) <= LONGEST_PATH else f"{path[:LONGEST_PATH]} …"


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
    found = ", ".join(map(_cut, tops[:5])) + (" …" if len(tops) > 5 else "")  # noqa: PLR2004
    return DataError(
        f"There are no digits in {source.name}.",
        "No PNG was found in digit_0 … digit_9 (or 0 … 9) under a folder Train or Test; "
        f"at its top it has: {found or 'nothing'}.",
        ANOTHER_SOURCE,
    )


def _unsafe(name: str, why: str) -> DataError:
    return DataError(f"{name} is refused.", f"Not safe to unpack: {why}.", ANOTHER_SOURCE)
