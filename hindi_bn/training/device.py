"""Where and how a run computes: device, threads, precision and deterministic algorithms."""

import ctypes
import os
import platform
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from hindi_bn.errors import StudyError
from hindi_bn.study import Precision


def choose_device(wanted: str) -> torch.device:
    """Return the device to train on; StudyError when torch does not see it."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if (wanted == "cuda" and not cuda) or (wanted == "mps" and not mps):
        raise StudyError(
            f"Device {wanted!r} cannot be used.",
            f"torch {torch.__version__} sees no such device on this machine.",
            "train with --device cpu, or see `hindi-bn doctor`",
        )
    return torch.device(wanted)


def check_precision(precision: Precision, device: torch.device) -> None:
    """Refuse a precision that the device does not have, with a StudyError."""
    able = precision == "float32"
    if device.type == "cuda" and not able:
        able = torch.cuda.get_device_capability(device) >= (8, 0)
    elif device.type == "cpu":
        able = precision != "tf32"
    if not able:
        raise StudyError(
            f"Precision {precision!r} cannot be used on {device.type!r}.",
            "TF32 is a format of NVIDIA GPUs from compute capability 8.0 (Ampere) on; bf16 needs "
            "one of these, or a CPU.",
            "set precision: float32, or train on such a device",
        )


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Return what a forward pass runs in: bfloat16 autocast for `bf16`, otherwise nothing."""
    if precision != "bf16":
        return nullcontext()
    # Each weight is cast once a pass, uncached: a CUDA graph must hold the cast.
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)


def prepare(threads: int | None, device: torch.device, precision: Precision = "float32") -> None:
    """Set the number of CPU threads, and deterministic algorithms and the precision on CUDA."""
    if threads is not None:
        torch.set_num_threads(threads)
    if device.type == "cpu":
        keep_freed_memory()
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        deterministic: Any = torch.utils.deterministic
        deterministic.fill_uninitialized_memory = False  # nothing is read before it is written
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
        _allow_tf32(precision == "tf32")


def keep_freed_memory() -> bool:
    """Let the C library keep freed memory for the next step; return whether it could be asked to.

    By default glibc gives the activations of a step (2 MB each) back to the system and gets them
    anew in the next one, page by page, which can take as long as computing. Which bits are
    computed does not change. Elsewhere than on glibc nothing is done.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
    libc = ctypes.CDLL(None)
    largest = 32 * 2**20  # glibc takes no larger M_MMAP_THRESHOLD
    return bool(libc.mallopt(mmap_threshold, largest) and libc.mallopt(trim_threshold, 2**31 - 1))


def _allow_tf32(allowed: bool) -> None:
    """Set TF32 for matrix products and convolutions, by the interface that this torch has."""
    backends: Any = torch.backends
    matmul, cudnn = backends.cuda.matmul, backends.cudnn
    if not hasattr(matmul, "fp32_precision"):
        matmul.allow_tf32 = cudnn.allow_tf32 = allowed
        return
    # From torch 2.9 on, where the older pair must not be touched.
    for operation in (matmul, cudnn.conv, cudnn.rnn):
        operation.fp32_precision = "tf32" if allowed else "ieee"
