"""Tensors by name in safetensors files, which hold no code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hindi_bn.files import replacing

if TYPE_CHECKING:
    import torch


def write_tensors(file: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write tensors by name to a safetensors file in one step."""
    from safetensors.torch import save

    with replacing(file) as temporary:
        temporary.write_bytes(save({k: v.detach().cpu().contiguous() for k, v in tensors.items()}))


def read_tensors(file: Path) -> dict[str, torch.Tensor]:
    """Read a safetensors file; ValueError when it is damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(file.read_bytes())
    except SafetensorError as error:
        raise ValueError(str(error)) from error
