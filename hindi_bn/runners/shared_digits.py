"""Digits that many processes read from one copy in memory: as arrays, and as files that are mapped.

A process that opens the files maps them: the pages are the operating system's, shared by all that
read them.
"""

import contextlib
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hindi_bn.digits import Digits
from hindi_bn.files import replacing, write_text
from hindi_bn.runners.scratch import scratch

TENSORS = ("train_images", "train_labels", "test_images", "test_labels")
FACTS = "digits.json"


def arrays_of(digits: Digits) -> dict[str, Any]:
    """Return the digits as arrays (uint8 and int64, as in `Digits`) and facts."""
    arrays = {key: getattr(digits, key).contiguous().numpy() for key in TENSORS}
    facts = {"name": digits.name, "source": digits.source, "digests": dict(digits.digests)}
    return arrays | facts


def digits_of(arrays: Mapping[str, Any]) -> Digits:
    """Return the digits that `arrays_of` took apart; nothing is copied."""
    with warnings.catch_warnings():
        # torch warns of memory that it may not write to; nobody writes to digits
        warnings.filterwarnings("ignore", "The given NumPy array is not writ", UserWarning)
        tensors = {key: torch.from_numpy(arrays[key]) for key in TENSORS}
    return Digits(**{**arrays, **tensors})


@contextlib.contextmanager
def shared(digits: Digits) -> Iterator[Path]:
    """Put digits where other processes can map them; gives the folder while it exists."""
    with scratch("hindi-bn-digits-") as folder:
        arrays = arrays_of(digits)
        for key in TENSORS:
            with replacing(folder / f"{key}.npy") as temporary:
                np.save(temporary, arrays.pop(key))
        write_text(folder / FACTS, json.dumps(arrays))
        yield folder


def open_shared(folder: Path) -> Digits:
    """Map digits that `shared` put into `folder`; their pages are read when they are first used."""
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    return digits_of(
        facts | {key: np.load(folder / f"{key}.npy", mmap_mode="r") for key in TENSORS}
    )
