"""Safe unpacking: every layout that is known, and everything that must be refused."""

from __future__ import annotations

import errno
import gzip
import io
import os
import stat
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from small_digits import (
    Files,
    checksums_of,
    small_files,
    small_pixels,
    write_folder,
    write_tar,
    write_zip,
)

from hindi_bn.digits import checksums, unpacking
from hindi_bn.digits.images import decode
from hindi_bn.digits.unpacking import unpack
from hindi_bn.errors import DataError


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checksums, "ARTICLE", checksums_of(small_pixels()))


def unpacked(source: Path, tmp_path: Path) -> dict[str, np.ndarray]:
    destination = tmp_path / "unpacked"
    destination.mkdir()
    unpack(source, destination)
    assert sorted(path.name for path in destination.iterdir()) == ["Test", "Train"]
    return decode(destination)


def assert_small(pixels: dict[str, np.ndarray]) -> None:
    for split, expected in small_pixels().items():
        np.testing.assert_array_equal(pixels[split], expected)


def refusal(source: Path, tmp_path: Path) -> DataError:
    destination = tmp_path / "unpacked"
    destination.mkdir()
    with pytest.raises(DataError) as error:
        unpack(source, destination)
    return error.value


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"root": ""},
        {"root": "a/b/c/"},
        {"root": "./"},
        {"splits": ("train", "test")},
        {"splits": ("TRAIN", "TEST"), "class_name": "{}"},
        {"splits": ("Train/images", "Test/images"), "class_name": "Digit_{}"},
    ],
)
@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tgz", "tar", "folder"])
def test_every_layout_of_every_kind(layout: dict[str, str], kind: str, tmp_path: Path) -> None:
    files = small_files(**layout)  # type: ignore[arg-type]
    source = tmp_path / f"digits.{kind}"
    if kind == "zip":
        write_zip(source, files)
    elif kind == "folder":
        write_folder(source, files)
    else:
        write_tar(source, files, "w" if kind == "tar" else "w:gz")
    assert_small(unpacked(source, tmp_path))


def test_a_zip_made_on_windows(tmp_path: Path) -> None:
    files = {name.replace("/", "\\"): data for name, data in small_files().items()}
    assert_small(unpacked(write_zip(tmp_path / "a.zip", files), tmp_path))


def test_letters_and_strays_are_left_out(tmp_path: Path) -> None:
    strays = {
        "top.txt": b"x",
        "d/Train/character_1_ka/1.png": b"letter",
        "d/Train/digit_0/Thumbs.db": b"x",
        "d/Train/digit_0/.hidden.png": b"x",
        "__MACOSX/d/Train/digit_0/1.png": b"x",
        "d/Train/digit_10/1.png": b"x",
        "d/digit_0/1.png": b"neither train nor test",
        "d/Train/1.png": b"x",
    }
    source = write_zip(tmp_path / "a.zip", strays | small_files(root="d/"))
    assert_small(unpacked(source, tmp_path))
    assert not list((tmp_path / "unpacked").rglob("character_*"))


def test_of_two_trees_the_complete_one_is_taken(tmp_path: Path) -> None:
    other = small_files(small_pixels(1), root="a/")
    other["a/Train/digit_0/extra.png"] = next(iter(other.values()))
    assert_small(unpacked(write_zip(tmp_path / "a.zip", other | small_files()), tmp_path))


def test_of_two_equal_trees_the_shallower_is_taken(tmp_path: Path) -> None:
    files = small_files(small_pixels(1), root="a/b/") | small_files(root="z/")
    assert_small(unpacked(write_zip(tmp_path / "a.zip", files), tmp_path))


def test_train_and_test_in_different_places(tmp_path: Path) -> None:
    files = {
        (f"a/{name}" if "/Train/" in name else f"b/c/{name}"): data
        for name, data in small_files().items()
    }
    assert_small(unpacked(write_zip(tmp_path / "a.zip", files), tmp_path))


def test_one_place_claimed_twice(tmp_path: Path) -> None:
    files = small_files()
    files |= {name.replace("digit_3", "3"): data for name, data in files.items()}
    error = refusal(write_zip(tmp_path / "a.zip", files), tmp_path)
    assert "Two images claim the place" in error.what
    assert "digit_3/1.png" in error.what


@pytest.mark.parametrize("name", ["inner.zip", "deep/inner.tar.gz"])
def test_an_archive_in_an_archive(name: str, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    files = small_files()
    data = (write_zip if name.endswith("zip") else write_tar)(inner, files).read_bytes()
    outer = write_zip(tmp_path / "outer.zip", {"readme.txt": b"x", name: data})
    assert_small(unpacked(outer, tmp_path))


def test_archives_nested_too_deep(tmp_path: Path) -> None:
    data = write_zip(tmp_path / "0.zip", small_files()).read_bytes()
    for level in range(3):
        data = write_zip(tmp_path / f"{level}.zip", {"inner.zip": data}).read_bytes()
    assert "There are no digits" in refusal(tmp_path / "2.zip", tmp_path).what


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, "at its top it has: nothing."),
        ({f"{name}/1.png": b"" for name in "abcdefg"}, "at its top it has: a, b, c, d, e …."),
        ({"one.zip": b"", "two.zip": b""}, "at its top it has: one.zip, two.zip."),
    ],
)
def test_no_digits_inside(files: Files, found: str, tmp_path: Path) -> None:
    error = refusal(write_zip(tmp_path / "a.zip", files), tmp_path)
    assert "There are no digits in a.zip." in error.what
    assert found in error.why


@pytest.mark.parametrize(
    "name", ["../out.png", "a/../../out.png", "/etc/out.png", "C:/out.png", "..\\out.png", "\\out"]
)
@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_paths_that_lead_out(name: str, write: object, tmp_path: Path) -> None:
    source = write(tmp_path / "a", small_files() | {name: b"x"})  # type: ignore[operator]
    error = refusal(source, tmp_path)
    assert error.what == "a is refused."
    assert f"{name} leads out" in error.why
    assert not list((tmp_path / "unpacked").iterdir())


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_links_and_devices_in_a_tar(kind: bytes, tmp_path: Path) -> None:
    source = tmp_path / "a.tar"
    with tarfile.open(source, "w") as packed:
        info = tarfile.TarInfo("Train/digit_0/1.png")
        info.type, info.linkname = kind, "/etc/passwd"
        packed.addfile(info)
    assert "Train/digit_0/1.png is a link or a device" in refusal(source, tmp_path).why


def test_links_in_a_zip(tmp_path: Path) -> None:
    source = tmp_path / "a.zip"
    with zipfile.ZipFile(source, "w") as packed:
        info = zipfile.ZipInfo("link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(info, "/etc/passwd")
    assert "link is a link or a device" in refusal(source, tmp_path).why


def test_links_in_a_folder(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "a", small_files(root=""))
    (source / "stray").symlink_to("/etc/passwd")  # no image's place: left alone
    assert_small(unpacked(source, tmp_path))
    (source / "Train/digit_0/2.png").symlink_to("/etc/passwd")
    with pytest.raises(DataError, match="refused") as error:
        unpack(source, tmp_path)
    assert "Train/digit_0/2.png is a link" in error.value.why


@pytest.mark.parametrize("write", [write_zip, write_tar, write_folder])
def test_bounds(write: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path / "a", small_files())  # type: ignore[operator]
    monkeypatch.setattr(unpacking, "MAX_MEMBERS", 49)
    assert "more than 49 files" in refusal(source, tmp_path).why
    monkeypatch.setattr(unpacking, "MAX_MEMBERS", 50)
    monkeypatch.setattr(unpacking, "MAX_BYTES", 50_000)
    with pytest.raises(DataError) as error:
        unpack(source, tmp_path)
    assert "unpacks to more than 50,000 bytes" in error.value.why


def test_the_full_data_set_is_within_the_bounds() -> None:
    full = (unpacking.Member(f"Train/character_{n % 46}/{n}.png", 1200) for n in range(92_000))
    assert len(list(unpacking.checked(full, "full.zip"))) == 92_000


def test_a_zip_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """10 MB of nothing in 10 kB, under an image's name; and the same with a lie about its size."""
    source = tmp_path / "bomb.zip"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("Train/digit_0/1.png", bytes(10_000_000))
    assert source.stat().st_size < 20_000
    assert "has 10,000,000 bytes, too many for a digit" in refusal(source, tmp_path).why
    honest = struct.pack("<I", 10_000_000)
    source.write_bytes(source.read_bytes().replace(honest, struct.pack("<I", 100)))
    with pytest.raises(DataError, match="damaged"):
        unpack(source, tmp_path)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_tar_bomb_in_a_header(tmp_path: Path, kind: bytes) -> None:
    source = tmp_path / "bomb.tar.gz"
    with tarfile.open(source, "w:gz") as packed:
        info = tarfile.TarInfo("longname")
        info.type, info.size = kind, 5_000_000
        packed.addfile(info, io.BytesIO(b"a" * info.size))
    assert source.stat().st_size < 20_000
    assert "more than 65,536 bytes before a member" in refusal(source, tmp_path).why


def test_headers_that_are_small_each_are_bounded_in_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "MAX_BYTES", 300_000)
    source = tmp_path / "bomb.tar.gz"
    with tarfile.open(source, "w:gz", format=tarfile.PAX_FORMAT) as packed:
        for number in range(20):
            info = tarfile.TarInfo(f"{number}.txt")
            info.pax_headers = {"comment": "a" * 40_000}
            packed.addfile(info)
    assert "it unpacks to more than 300,000 bytes" in refusal(source, tmp_path).why


def test_many_global_headers_are_not_gathered(tmp_path: Path) -> None:
    source = tmp_path / "bomb.tar"
    with tarfile.open(source, "w", format=tarfile.PAX_FORMAT) as packed:
        for number in range(3):
            headers = tarfile.TarInfo.create_pax_global_header({f"key{number}": "a" * 30_000})
            packed.fileobj.write(headers)  # type: ignore[union-attr]
            packed.offset += len(headers)
            packed.addfile(tarfile.TarInfo(f"{number}.txt"))
    assert "its headers are too large" in refusal(source, tmp_path).why


def test_names_are_cut_and_cannot_steer_a_terminal(tmp_path: Path) -> None:
    source = tmp_path / "long.tar"
    with tarfile.open(source, "w", format=tarfile.GNU_FORMAT) as packed:
        packed.addfile(tarfile.TarInfo("../\x1b[2J" + "a" * 3000))
    told = str(refusal(source, tmp_path))
    assert "\x1b" not in told
    assert "\\x1b[2Jaaa" in told
    assert len(told) < 400


def directory(path: Path, entries: int, told: int, *, in_64_bits: bool = False) -> Path:
    """A zip file that is a directory of nameless files alone, and says that it has `told` bytes."""
    entry = b"PK\1\2" + bytes(42)
    end = struct.pack("<4s4HIIH", b"PK\5\6", 0, 0, 1, 1, min(told, 2**32 - 1), 0, 0)
    if in_64_bits:
        record = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, told, 0)
        place = struct.pack("<4sIQI", b"PK\6\7", 0, entries * len(entry), 1)
        end = record + place + end
    path.write_bytes(entry * entries + end)
    return path


def test_a_zips_directory_is_bounded_before_it_is_read(tmp_path: Path) -> None:
    many = unpacking.MAX_MEMBERS + 1
    source = directory(tmp_path / "many.zip", many, 46 * many)
    assert "more than 100,000 files" in refusal(source, tmp_path).why
    (tmp_path / "unpacked").rmdir()
    for in_64_bits in (False, True):
        source = directory(tmp_path / "large.zip", 1, 2**25, in_64_bits=in_64_bits)
        assert "its directory has 33,554,432 bytes" in refusal(source, tmp_path).why
        (tmp_path / "unpacked").rmdir()


MEMORY = """
import resource, sys
from pathlib import Path
from hindi_bn.digits.unpacking import unpack
from hindi_bn.errors import DataError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
except DataError as error:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, len(str(error)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["long name", "many members", "most members"])
def test_a_refused_archive_takes_less_than_a_hundred_megabytes(tmp_path: Path, kind: str) -> None:
    source, destination = tmp_path / "archive", tmp_path / "unpacked"
    destination.mkdir()
    if kind == "long name":
        with gzip.open(source, "wb", compresslevel=1) as packed:
            info = tarfile.TarInfo("././@LongLink")
            info.type, info.size = tarfile.GNUTYPE_LONGNAME, 300_000_000
            packed.write(info.tobuf(tarfile.GNU_FORMAT))
            for _ in range(300):
                packed.write(b"a" * 1_000_000)
    else:
        with zipfile.ZipFile(source, "w") as archive:
            for number in range({"many members": 300_000, "most members": 100_000}[kind]):
                archive.writestr(f"Devanagari/Train/character_{number % 46}/{number:06}.txt", b"")
    found = subprocess.run(
        [sys.executable, "-c", MEMORY, str(source), str(destination)],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    kilobytes, letters = map(int, found)
    assert kilobytes < 100 * 1024
    assert letters < 500


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    files = small_files()
    source = write_zip(tmp_path / "a.zip", files)
    name, image = list(files.items())[7]
    source.write_bytes(source.read_bytes().replace(image, image[:-20] + b"?" + image[-19:]))
    error = refusal(source, tmp_path)
    assert error.what == "a.zip is damaged or cannot be read."
    assert name in error.why


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_tar_that_was_cut_off(kept: float, tmp_path: Path) -> None:
    source = write_tar(tmp_path / "a.tar.gz", small_files())
    data = source.read_bytes()
    source.write_bytes(data[: int(len(data) * kept)])
    assert "a.tar.gz is damaged" in refusal(source, tmp_path).what


def test_an_encrypted_zip(tmp_path: Path) -> None:
    source = write_zip(tmp_path / "a.zip", small_files())
    data = bytearray(source.read_bytes())
    start = 0
    while (start := data.find(b"PK\x01\x02", start)) >= 0:
        data[start + 8] |= 1  # the flag in the central directory
        start += 4
    source.write_bytes(data)
    assert "encrypted" in refusal(source, tmp_path).why


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "It is neither a zip nor a tar file (0 bytes)."),
        (b"<html>", "It is neither a zip nor a tar file (6 bytes, beginning with b'<html>')."),
        (b"PK\x03\x04rest", "It is a damaged or cut-off zip (8 bytes"),
    ],
)
def test_no_archive(data: bytes, why: str, tmp_path: Path) -> None:
    source = tmp_path / "a.zip"
    source.write_bytes(data)
    assert why in refusal(source, tmp_path).why


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    error = refusal(tmp_path / "none.zip", tmp_path)
    assert error.why == "No such file or directory"


def test_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_folder(tmp_path / "a", small_files())

    def refuse(path: object) -> object:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    error = refusal(source, tmp_path)
    assert error.what == "a is damaged or cannot be read."
    assert "Permission denied" in error.why


def test_a_full_disk_is_not_called_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_zip(tmp_path / "inner.zip", small_files()).read_bytes()
    outer = write_zip(tmp_path / "outer.zip", {"inner.zip": data})

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        unpack(outer, tmp_path)


def test_progress_counts_images(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    source = write_zip(tmp_path / "a.zip", small_files())
    unpack(source, tmp_path, lambda *facts: seen.append(facts))
    assert seen == [("Unpacking", n, 50) for n in range(1, 51)]
