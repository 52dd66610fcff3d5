"""Digits that many processes read from one copy in memory.

They are written once as plain bytes into a temporary folder. A process that opens them maps the
files: the pages are the operating system's, shared by all that read them.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from hindi_bn.digits import Digits
from hindi_bn.files import replacing, write_text

TENSORS = ("train_images", "train_labels", "test_images", "test_labels")
FACTS = "digits.json"


@contextlib.contextmanager
def shared(digits: Digits) -> Iterator[Path]:
    """Put verified digits where other processes can map them; gives the folder while it exists.

    Raises
    ------
    HindiBnError
        When the temporary folder cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="hindi-bn-") as name:
        folder = Path(name)
        shapes = {}
        for key in TENSORS:
            tensor: torch.Tensor = getattr(digits, key)
            with replacing(folder / key) as temporary:
                temporary.write_bytes(tensor.contiguous().numpy().tobytes())
            shapes[key] = list(tensor.shape)
        facts = {"name": digits.name, "source": digits.source, "digests": dict(digits.digests)}
        write_text(folder / FACTS, json.dumps(facts | {"shapes": shapes}))
        yield folder


def open_shared(folder: Path) -> Digits:
    """Map digits that `shared` put into `folder`; their pages are read when they are first used."""
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    facts |= {key: _map(folder / key, shape) for key, shape in facts.pop("shapes").items()}
    return Digits(**facts)


def _map(file: Path, shape: list[int]) -> torch.Tensor:
    dtype = torch.uint8 if file.name.endswith("images") else torch.int64
    size = torch.Size(shape).numel()
    return torch.from_file(str(file), shared=False, size=size, dtype=dtype).view(shape)
