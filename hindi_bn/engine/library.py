"""The engine's compiled libraries: which there are, and which one this processor runs."""

import ctypes
import functools
import hashlib
from pathlib import Path
from typing import Any

import torch

from hindi_bn.errors import StudyError

BUILT = Path(__file__).parent / "built"
SOURCE = Path(__file__).parent / "source"
_OF_CAPABILITY = {"AVX512": 16, "AVX2": 8}  # otherwise 4, which every processor has

Floats = ctypes.POINTER(ctypes.c_void_p)


class Shape(ctypes.Structure):
    """What the engine is told of a network; see `shape` in source/engine.c."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in (
            "side", "convolutions", "norm", "groups", "after", "average", "images", "tested",
            "threads",
        )),
        ("eps", ctypes.c_float), ("momentum", ctypes.c_float),
    ]  # fmt: skip


class Tensors(ctypes.Structure):
    """Where a network's numbers are; see `tensors` in source/engine.c."""

    _fields_ = [(name, Floats) for name in ("values", "velocities", "gradients", "averages")]


def why_not() -> str:
    """Say why the engine cannot be used here; empty when it can."""
    if variants():
        return ""
    failure = BUILT / "failure.txt"
    if failure.is_file():
        return (
            f"It could not be compiled when hindi-bn was installed: {failure.read_text().strip()}"
        )
    return "No library of it was installed for this machine."


def variants() -> list[int]:
    """Return the numbers of lanes that this processor can compute with, the most first."""
    most = _OF_CAPABILITY.get(torch.backends.cpu.get_cpu_capability(), 4)
    found = {int(file.stem.partition("-")[2]) for file in BUILT.glob("engine-*.*")}
    return sorted((lanes for lanes in found if lanes <= most), reverse=True)


@functools.cache
def load(lanes: int = 0) -> ctypes.CDLL:
    """Load the library of so many lanes, or the best; StudyError when there is none."""
    if reason := why_not():
        raise StudyError(
            "The engine cannot be used on this machine.",
            reason,
            "set numerics: fast, or install again where ziglang can be had (docs/engine.md)",
        )
    library = ctypes.CDLL(str(next(BUILT.glob(f"engine-{lanes or variants()[0]}.*"))))
    engine, at, right = ctypes.c_void_p, ctypes.POINTER(Tensors), ctypes.POINTER(ctypes.c_int32)
    batch = [engine, at, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32]
    rate = [ctypes.c_float, ctypes.c_float, ctypes.c_int32]
    _declare(library.engine_bytes, [ctypes.POINTER(Shape)], ctypes.c_uint64)
    _declare(library.engine_begin, [engine, ctypes.POINTER(Shape)], None)
    _declare(library.engine_step, [*batch, *rate, right], ctypes.c_float)
    _declare(
        library.engine_evaluate, [*batch, ctypes.c_int32, ctypes.c_void_p, right], ctypes.c_float
    )
    if hasattr(library, "engine_look"):  # not in a library that was compiled before it was there
        _declare(library.engine_look, [*batch, ctypes.c_int32, right], ctypes.c_float)
    _declare(library.engine_attend, [engine, ctypes.c_int32], None)
    _declare(library.engine_end, [engine], None)
    return library


def _declare(function: Any, arguments: list[Any], result: Any) -> None:
    function.argtypes, function.restype = arguments, result


def describe() -> dict[str, Any]:
    """Return what a record says of the engine: its source's sha256, and the lanes in use."""
    digest = hashlib.sha256()
    for file in sorted(SOURCE.iterdir()):
        digest.update(file.read_bytes())
    return {"source": digest.hexdigest(), "lanes": variants()[0]}
