"""Archives that are not what they should be: cut, swapped, doubled, bombs, names that lead out."""

from __future__ import annotations

import functools
import io
import struct
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from small_digits import ROOT, Files, png, small_files, small_pixels, write_tar, write_zip

FIRST = f"{ROOT}/Train/digit_0/1.png"

Change = Callable[[Files, Random], Files]


def _packed(change: Change, ending: str, folder: Path, random: Random) -> Sequence[str]:
    write = write_zip if ending == ".zip" else write_tar
    write(folder / f"hostile{ending}", change(small_files(), random))
    return _take(ending)


def _take(ending: str) -> Sequence[str]:
    return ["download", f"hostile{ending}", "--data-dir", "anew", "-q"]


def _less(files: Files, random: Random) -> Files:
    files.pop(random.choice(sorted(files)))
    return files


def _swapped(files: Files, random: Random) -> Files:
    one, other = random.sample(sorted(files), 2)
    files[one], files[other] = files[other], files[one]
    return files


def _doubled(files: Files, random: Random) -> Files:
    one, other = random.sample(sorted(files), 2)
    files[one] = files[other]
    return files


def _another_seed(files: Files, random: Random) -> Files:
    return small_files(small_pixels(random.randrange(1, 1000)))


def _one_more(files: Files, random: Random) -> Files:
    name = random.choice(sorted(files))
    return files | {name.replace(".png", "-more.png"): files[name]}


def _other_bytes(content: bytes) -> Change:
    return lambda files, random: files | {random.choice(sorted(files)): content}


def _other_pixel(files: Files, random: Random) -> Files:
    pixels = small_pixels()
    pixels["train"][random.randrange(30), random.randrange(32), random.randrange(32)] ^= 1
    return small_files(pixels)


def _two_trees(files: Files, random: Random) -> Files:
    return files | {f"{ROOT}/Train/{random.randrange(10)}/1.png": files[FIRST]}


def _empty(files: Files, random: Random) -> Files:
    return {}


CHANGES: dict[str, Change] = {
    "an image missing": _less, "two images swapped": _swapped, "an image doubled": _doubled,
    "other digits": _another_seed, "an image too many": _one_more, "another pixel": _other_pixel,
    "a class twice": _two_trees, "nothing in it": _empty,
    "an empty image": _other_bytes(b""), "text for an image": _other_bytes(b"no image" * 9),
    "an image cut off": _other_bytes(png(small_pixels()["test"][0])[:200]),
    "a huge image": _other_bytes(
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\x7f\xff\xff\xff" * 2 + b"\x08\0\0\0\0"),
}  # fmt: skip


def _cut(ending: str, folder: Path, random: Random) -> Sequence[str]:
    data = (folder / f"digits{ending}").read_bytes()
    (folder / f"hostile{ending}").write_bytes(data[: random.randrange(len(data) - 8_000)])
    return _take(ending)


def _noise(ending: str, folder: Path, random: Random) -> Sequence[str]:
    begin = b"PK\x03\x04" if ending == ".zip" else b"\x1f\x8b\x08"
    (folder / f"hostile{ending}").write_bytes(begin + random.randbytes(5_000))
    return _take(ending)


def _zeros(ending: str, folder: Path, random: Random) -> Sequence[str]:
    """A member of 300 MB of zeros."""
    file = folder / f"hostile{ending}"
    if ending == ".zip":
        packed = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)
        with packed as opened, opened.open(FIRST, "w", force_zip64=True) as member:
            for _ in range(300):
                member.write(bytes(2**20))
    else:
        with tarfile.open(file, "w:gz", compresslevel=1) as opened:
            info = tarfile.TarInfo(FIRST)
            info.size = 300 * 2**20
            opened.addfile(info, _Zeros(info.size))  # type: ignore[arg-type]
    return _take(ending)


class _Zeros(io.RawIOBase):
    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1) -> bytes:
        size = min(size, self._left)
        self._left -= size
        return bytes(size)


def _many(ending: str, folder: Path, random: Random) -> Sequence[str]:
    """Members without end: 100,000 that hold nothing."""
    files = {f"{ROOT}/Train/digit_0/{number}.png": b"" for number in range(100_000)}
    return _packed(lambda *_: files, ending, folder, random)


def _named(name: str) -> Change:
    """An image of another class has this name; within its class a name alone changes nothing."""

    def change(files: Files, random: Random) -> Files:
        others = [each for each in sorted(files) if not each.startswith(f"{ROOT}/Train/digit_0/")]
        image = files.pop(random.choice(others))
        return files | {name: image}

    return change


NAMES = {
    "a name that leads out": f"../../{ROOT}/Train/digit_0/1.png",
    "an absolute name": f"/tmp/{ROOT}/Train/digit_0/1.png",
    "a name with backslashes": f"..\\..\\{ROOT}\\Train\\digit_0\\1.png",
    "a long name": f"{ROOT}/Train/digit_0/{'a' * 60_000}.png",
    "a deep name": f"{'d/' * 20_000}Train/digit_0/1.png",
    "a name that steers a terminal": f"{ROOT}/Train/digit_0/\x1b[2J\x1b]0;x\x07.png",
    "an empty name": " ",
}  # fmt: skip


def _of_kind(kind: bytes, target: str, folder: Path, random: Random) -> Sequence[str]:
    """A tar with a link or a device in the place of an image."""
    files = small_files()
    files.pop(FIRST)
    write_tar(folder / "hostile.tar.gz", files)
    with tarfile.open(folder / "plain.tar", "w") as opened:
        info = tarfile.TarInfo(FIRST)
        info.type, info.linkname = kind, target
        opened.addfile(info)
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            opened.addfile(info, io.BytesIO(data))
    (folder / "plain.tar").rename(folder / "hostile.tar.gz")
    return _take(".tar.gz")


def _long_header(folder: Path, random: Random) -> Sequence[str]:
    """A GNU long name of 200 MB, packed to some kilobytes."""
    with tarfile.open(folder / "hostile.tar.gz", "w:gz", compresslevel=1) as opened:
        info = tarfile.TarInfo("././@LongLink")
        info.type, info.size = tarfile.GNUTYPE_LONGNAME, 200 * 2**20
        opened.addfile(info, _Zeros(info.size))  # type: ignore[arg-type]
    return _take(".tar.gz")


def _pax_header(folder: Path, random: Random) -> Sequence[str]:
    with tarfile.open(folder / "hostile.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as opened:
        info = tarfile.TarInfo(FIRST)
        info.pax_headers = {"comment": "x" * 50_000_000}
        opened.addfile(info)
    return _take(".tar.gz")


def _big_directory(folder: Path, random: Random) -> Sequence[str]:
    """A zip whose end claims a directory of four billion bytes."""
    data = bytearray((folder / "digits.zip").read_bytes())
    data[-10:-6] = struct.pack("<I", 2**32 - 2)
    (folder / "hostile.zip").write_bytes(data)
    return _take(".zip")


def _encrypted(folder: Path, random: Random) -> Sequence[str]:
    data = (
        (folder / "digits.zip")
        .read_bytes()
        .replace(b"PK\x01\x02\x14\x03\x14\0\0", b"PK\x01\x02\x14\x03\x14\0\x01")
    )
    (folder / "hostile.zip").write_bytes(data)
    return _take(".zip")


def _folder(folder: Path, random: Random) -> Sequence[str]:
    (folder / "hostile.zip").mkdir()
    return _take(".zip")


def _nothing(folder: Path, random: Random) -> Sequence[str]:
    return _take(".zip")


def _kinds() -> dict[str, Callable[[Path, Random], Sequence[str]]]:
    made: dict[str, Callable[[Path, Random], Sequence[str]]] = {
        "a header of 200 MB": _long_header, "a comment of 50 MB": _pax_header,
        "a directory of 4 GB": _big_directory, "encrypted": _encrypted, "a folder": _folder,
        "no file": _nothing,
    }  # fmt: skip
    for ending in (".zip", ".tar.gz"):
        for name, change in (CHANGES | {n: _named(path) for n, path in NAMES.items()}).items():
            for turn in range(2):
                made[f"{name} ({ending}, {turn})"] = functools.partial(_packed, change, ending)
        for name, make in (("cut", _cut), ("noise", _noise)):
            for turn in range(6):
                made[f"{name} ({ending}, {turn})"] = functools.partial(make, ending)
        made[f"300 MB of zeros ({ending})"] = functools.partial(_zeros, ending)
        made[f"100,000 members ({ending})"] = functools.partial(_many, ending)
    for kind in (
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.FIFOTYPE,
        tarfile.CHRTYPE,
        tarfile.DIRTYPE,
    ):
        for target in ("/etc/passwd", "../../../etc/passwd"):
            made[f"type {kind!r} to {target}"] = functools.partial(_of_kind, kind, target)
    return made


KINDS = _kinds()
