"""What a run was made with: versions, commit, device and data, for environment.json and doctor."""

import contextlib
import functools
import os
import platform
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from hindi_bn import __version__
from hindi_bn.errors import HindiBnError

PACKAGES = (
    "torch", "torchvision", "numpy", "pandas", "scikit-learn", "scipy", "matplotlib", "seaborn",
    "pydantic", "safetensors", "typer", "kaggle",
)  # fmt: skip

VECTORS = ("avx", "amx", "fma", "f16c", "sse4", "asimd", "sve", "bf16", "i8mm")
"""Beginnings of the names of a processor's extensions that compute with vectors."""


def wait_politely() -> None:
    """Let threads that wait for each other sleep where other programs keep the processors busy.

    OpenMP's threads spin otherwise, and take the time that they wait for. To be called before
    torch is imported; numbers keep their bits.
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0  # not on Windows
    if load >= (os.cpu_count() or 1):
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def versions() -> dict[str, str]:
    """Versions of this program, Python and the packages it stands on."""
    return {
        "hindi-bn": __version__, "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
    }  # fmt: skip


@functools.cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


@contextlib.contextmanager
def needed(extra: str, what: str) -> Iterator[None]:
    """Turn the import of a package that is not installed into an error that names the extra."""
    try:
        yield
    except ImportError as error:
        raise HindiBnError(
            f"{what} needs packages that are not installed.",
            f"{error}.",
            f"pip install 'hindi-bn[{extra}]'",
        ) from error


@functools.cache
def commit() -> dict[str, Any]:
    """Commit and dirty flag of the checkout this program runs from; None outside a checkout."""
    folder = Path(__file__).parent
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return {"commit": None, "dirty": None}
    changes = _git(folder, "status", "--porcelain", "--", ".", "../configs", "../pyproject.toml")
    return {"commit": _git(folder, "rev-parse", "HEAD"), "dirty": bool(changes)}


def processor() -> str:
    """Return the processor's name, as far as the system tells."""
    name = linux_fact(Path("/proc/cpuinfo"), "model name")
    return name or platform.processor() or platform.machine()


def vector_flags() -> list[str]:
    """Return the processor's extensions that torch may compute with, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    flags = linux_fact(info, "flags") or linux_fact(info, "Features")
    return sorted(flag for flag in set(flags.split()) if flag.startswith(VECTORS))


def linux_fact(file: Path, key: str) -> str:
    """Return what a file of /proc has after `key:`; empty where there is no such file or line."""
    if file.is_file():
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, fact = line.partition(":")
            if name.strip() == key:
                return fact.strip()
    return ""


def describe(device: str) -> dict[str, Any]:
    """Versions, commit, system and device for a run's environment.json.

    Args:
        device: The device trained on: `cpu`, `cuda` or `mps`.
    """
    import torch

    name = torch.cuda.get_device_name() if device == "cuda" else processor()
    return {
        "versions": versions(),
        **commit(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": device,
        "device_name": name,
        "cpu_flags": vector_flags(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True, text=True, timeout=10, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
