"""Decoded pixels in one file, with the digest of each array beside it."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hindi_bn.digits.checksums import SIDE, SPLITS, Pixels, digest
from hindi_bn.errors import DataError, HindiBnError
from hindi_bn.files import replacing

log = logging.getLogger(__name__)


def read_pixels(path: Path, expected: Mapping[str, str]) -> dict[str, Pixels] | None:
    """Read the pixels of both splits; None when there are none, or they are stale or damaged.

    They are fresh when the facts beside them are as `expected`.
    """
    arrays, facts = read_arrays(path, SPLITS)
    fresh = all(facts.get(key) == value for key, value in expected.items())
    fits = all(array.shape[1:] == (SIDE, SIDE) for array in arrays.values())
    return arrays if arrays and fresh and fits else None


def read_arrays(path: Path, names: Sequence[str]) -> tuple[dict[str, Pixels], dict[str, str]]:
    """Read uint8 arrays and the facts beside them; both empty when missing or damaged."""
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return {}, {}
    try:
        with safe_open(path, framework="numpy") as stored:
            facts = stored.metadata() or {}
            arrays = {name: stored.get_tensor(name) for name in names}
    except SafetensorError:
        return {}, {}
    except OSError as error:
        why = error.strerror or str(error)
        raise DataError(f"{path} cannot be read.", why, "check its permissions") from error
    intact = all(
        array.dtype == np.uint8 and facts.get(name) == digest(array)
        for name, array in arrays.items()
    )
    return (arrays, facts) if intact else ({}, {})


def write_arrays(path: Path, arrays: Mapping[str, Pixels], facts: Mapping[str, str]) -> None:
    """Write uint8 arrays with their digests and `facts` as metadata, in one step."""
    from safetensors.numpy import save

    digests = {name: digest(array) for name, array in arrays.items()}
    with replacing(path) as temporary:
        temporary.write_bytes(save(dict(arrays), metadata=digests | dict(facts)))


def keep_arrays(path: Path, arrays: Mapping[str, Pixels], facts: Mapping[str, str]) -> None:
    """Write arrays if that can be done; they only save the time of making them again."""
    try:
        write_arrays(path, arrays, facts)
    except HindiBnError as error:
        log.warning("%s They are used without it. (%s)", error.what, error.why)
