"""Where a run is trained: device, threads and deterministic algorithms."""

from __future__ import annotations

import os

import torch

from hindi_bn.errors import StudyError


def choose_device(wanted: str) -> torch.device:
    """Return the device to train on; `auto` takes CUDA when it is there, otherwise the CPU.

    Raises
    ------
    StudyError
        When `cuda` or `mps` is asked for and torch does not see it.
    """
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    seen = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not seen[wanted]:
        raise StudyError(
            f"Device {wanted!r} cannot be used.",
            f"torch {torch.__version__} sees no such device on this machine.",
            "train with --device cpu, or see `hindi-bn doctor`",
        )
    return torch.device(wanted)


def prepare(threads: int | None, device: torch.device) -> None:
    """Set the number of CPU threads, and deterministic algorithms in full float32 on CUDA."""
    if threads is not None:
        torch.set_num_threads(threads)
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
