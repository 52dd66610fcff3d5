"""Pictures that `predict` cannot tell: formats, sizes, values that are no numbers, damage."""

from __future__ import annotations

import functools
import io
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

Make = Callable[[Path, Random], Sequence[str]]


def _tell(data: bytes, name: str, folder: Path, random: Random) -> Sequence[str]:
    (folder / name).write_bytes(data)
    return ["predict", name, "-q"]


def _saved(pixels: np.ndarray, kind: str, **options: object) -> bytes:
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, format=kind, **options)
    return packed.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, rows: bytes, depth: int = 8, colour: int = 0) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def _cut(kind: str, folder: Path, random: Random) -> Sequence[str]:
    noise = np.random.default_rng(random.randrange(2**32)).integers(0, 256, (64, 64), np.uint8)
    data = _saved(noise, kind)
    return _tell(data[: random.randrange(20, len(data) // 2)], f"cut.{kind}", folder, random)


def _floats(value: float, folder: Path, random: Random) -> Sequence[str]:
    pixels = np.zeros((64, 64), np.float32)
    pixels[random.randrange(64), random.randrange(64)] = value
    return _tell(_saved(pixels, "tiff"), "floats.tiff", folder, random)


def _random(name: str, begin: bytes, folder: Path, random: Random) -> Sequence[str]:
    return _tell(begin + random.randbytes(500), name, folder, random)


PICTURES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "empty.png"),
    "text": (b"not a picture\n" * 10, "text.png"),
    "a page": (b"<html><body>404</body></html>", "page.jpg"),
    "an SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "a.svg"),
    "blank": (_saved(np.full((64, 64), 255, np.uint8), "png"), "blank.png"),
    "black": (_saved(np.zeros((64, 64), np.uint8), "png"), "black.png"),
    "one pixel": (_saved(np.zeros((1, 1), np.uint8), "png"), "one.png"),
    "a row": (_saved(np.zeros((1, 5000), np.uint8), "png"), "row.png"),
    "65,000 x 65,000": (_png(65_000, 65_000, b""), "huge.png"),
    "2 billion wide": (_png(2**31 - 1, 1, b""), "wide.png"),
    "20,000 x 20,000 of zeros": (_png(20_000, 20_000, bytes(20_001) * 2_000), "zeros.png"),
    "0 x 0": (_png(0, 0, b""), "none.png"),
    "of depth 3": (_png(8, 8, bytes(80), depth=3), "depth.png"),
    "of colour type 9": (_png(8, 8, bytes(80), colour=9), "colour.png"),
    "without rows": (_png(64, 64, b""), "rows.png"),
    "a comment of 100 MB": (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0))
        + _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(100_000_000))), "comment.png"),
    "a GIF of nothing": (b"GIF89a" + bytes(20), "a.gif"),
    "a BMP of nothing": (b"BM" + bytes(60), "a.bmp"),
    "a TIFF that points to itself": (
        b"II*\0\x08\0\0\0\x01\0" + bytes(12) + b"\x08\0\0\0", "loop.tif"),
    "a JPEG of nothing": (b"\xff\xd8\xff\xe0" + bytes(100), "a.jpg"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", "a.eps"),
}  # fmt: skip


def _kinds() -> dict[str, Make]:
    made: dict[str, Make] = {n: functools.partial(_tell, *p) for n, p in PICTURES.items()}
    for kind in ("png", "jpeg", "tiff", "bmp", "gif", "webp"):
        for turn in range(2):
            made[f"cut {kind} ({turn})"] = functools.partial(_cut, kind)
    for value in (float("nan"), float("inf"), -float("inf"), 1e38):
        made[f"TIFF with {value}"] = functools.partial(_floats, value)
    for name, begin in (("a.png", b"\x89PNG\r\n\x1a\n"), ("a.tiff", b"MM\0*"), ("a.webp", b"RIFF")):
        for turn in range(3):
            made[f"noise, {name} ({turn})"] = functools.partial(_random, name, begin)
    made["no file"] = lambda folder, random: ["predict", "nowhere.png", "-q"]
    made["a folder of nothing"] = lambda folder, random: ["predict", "tmp", "-q"]
    return made


KINDS = _kinds()
