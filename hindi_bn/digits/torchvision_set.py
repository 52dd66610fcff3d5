"""Data sets that torchvision downloads and decodes from its mirrors: MNIST and Fashion-MNIST.

torchvision holds every file against its own MD5. It has no time limit, draws a bar wherever it
runs, goes on to the next mirror after some failures only, and leaves connections open; these are
seen to here.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from pathlib import Path
from ssl import SSLError
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

import numpy as np
import torch

from hindi_bn.digits.cache import read_arrays, write_arrays
from hindi_bn.digits.checksums import SPLITS, Pixels
from hindi_bn.digits.dataset import DataSet, Digits, Note
from hindi_bn.digits.images import Advance, silent
from hindi_bn.digits.network import CONNECT_TIMEOUT
from hindi_bn.digits.pace import Arrived, TooSlowError, in_time
from hindi_bn.digits.staging import locked, staged
from hindi_bn.errors import DataError, SourceError

MIRRORS = "HINDI_BN_MNIST_URL"
MAX_BYTES = 100_000_000  # the largest file has 26,421,880
NETWORK = (RuntimeError, HTTPException, URLError, SSLError, TimeoutError, ConnectionError,
           TooSlowError)  # fmt: skip
"""What is raised when a mirror fails; OSError as a whole would hide a full disk."""

OTHER_FILE = "what it sends is cut off, or no file of this data set (by its MD5)"


@dataclass(frozen=True)
class TorchvisionSet(DataSet):
    """A class of `torchvision.datasets`, kept as `<name>.safetensors` in its order."""

    torchvision_name: str

    def load(self, data_dir: Path, advance: Advance = silent) -> Digits:
        """Return what is there; DataError when it is missing or damaged."""
        path = data_dir / f"{self.name}.safetensors"
        arrays, facts = read_arrays(path, (*SPLITS, *(f"{split}_labels" for split in SPLITS)))
        if not arrays:
            damaged = path.exists()
            raise DataError(
                f"{path} is damaged." if damaged else f"{self.title} is not in {data_dir}.",
                "Its digests do not fit." if damaged else "It has not been fetched yet.",
                f"fetch it: hindi-bn download --name {self.name}",
            )
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return Digits(
            self.name, facts.get("source", "unknown"),
            tensors["train"], tensors["train_labels"].long(),
            tensors["test"], tensors["test_labels"].long(),
            {split: facts[split] for split in SPLITS},
        )  # fmt: skip

    def fetch(self, data_dir: Path, *, force: bool, note: Note, advance: Advance) -> Digits:
        """Download it; SourceError, which names each mirror with its reason, when none delivers."""
        with locked(data_dir, note):
            there = None if force else self._already_there(data_dir, note)
            if there is not None:
                return there
            with staged(data_dir) as work:
                mirror, arrays = self._download(work, advance)
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            facts = {"source": f"torchvision ({urlsplit(mirror).hostname})", "fetched": now}
            write_arrays(data_dir / f"{self.name}.safetensors", arrays, facts)
        return self.load(data_dir)

    def mirrors(self) -> list[str]:
        """Return the addresses to try in order, which end with a slash: torchvision's own.

        Or those in HINDI_BN_MNIST_URL, spaces between, with folders `mnist` and `fashion-mnist`.
        """
        named = os.environ.get(MIRRORS, "").split()
        if named:
            return [f"{place.rstrip('/')}/{self.name}/" for place in named]
        return list(self._torchvision_class().mirrors)

    def _already_there(self, data_dir: Path, note: Note) -> Digits | None:
        try:
            digits = self.load(data_dir)
        except DataError:
            return None
        again = f"hindi-bn download --name {self.name} --force"
        note(f"{self.title} is in {data_dir} already; `{again}` fetches it again.")
        return digits

    def _download(self, work: Path, advance: Advance) -> tuple[str, dict[str, Pixels]]:
        """Return the first mirror that delivers, and its images and labels."""
        failures = []
        for number, mirror in enumerate(self.mirrors()):
            try:
                return mirror, self._from_mirror(mirror, work / str(number), advance)
            except NETWORK as error:
                failures.append(f"  - {mirror}: {_reason(error)}")
                if isinstance(error, HTTPError):
                    error.close()
        raise SourceError(
            f"No mirror delivered {self.title}.",
            "\n" + "\n".join(failures),
            f"try again later, or name a mirror of your own in {MIRRORS} (see data/README.md)",
        )

    def _from_mirror(self, mirror: str, folder: Path, advance: Advance) -> dict[str, Pixels]:
        """Let torchvision download and decode both splits; labels as uint8."""
        from torchvision.datasets import utils as downloads

        parts, source = urlsplit(mirror), self._torchvision_class()
        if parts.scheme not in ("http", "https") or "@" in parts.netloc:
            raise RuntimeError("it must begin with http:// or https://, and hold no password")
        download = downloads.download_and_extract_archive
        raw = folder / source.__name__ / "raw"  # where torchvision looks for them

        def get(arrived: Arrived) -> None:
            downloads.tqdm = partial(_Bar, advance, arrived)
            for file, md5 in source.resources:
                download(f"{mirror}{file}", raw, filename=file, md5=md5)

        with _limits():
            in_time(get)
        arrays: dict[str, Pixels] = {}
        for split in SPLITS:
            dataset = source(folder, train=split == "train")
            arrays[split] = dataset.data.numpy()
            arrays[f"{split}_labels"] = dataset.targets.numpy().astype(np.uint8)
        return arrays

    def _torchvision_class(self) -> Any:
        import torchvision.datasets

        return getattr(torchvision.datasets, self.torchvision_name)


@contextlib.contextmanager
def _limits() -> Iterator[None]:
    """Give torchvision's downloads a time limit, and put back its own bar in the end.

    It takes neither as an argument, so both are set for the whole process.
    """
    from torchvision.datasets import utils as downloads

    patience, bar = socket.getdefaulttimeout(), downloads.tqdm
    socket.setdefaulttimeout(CONNECT_TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(patience)
        downloads.tqdm = bar


class _Bar:
    """What torchvision calls as it downloads a file; it also stops a download without end."""

    def __init__(self, advance: Advance, arrived: Arrived, total: int | None, **_: Any) -> None:
        self._advance, self._arrived, self._total, self._done = advance, arrived, total, 0

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        """Have nothing to close."""

    def update(self, count: int) -> None:
        self._done += count
        self._arrived(count)
        if self._done > MAX_BYTES:
            raise RuntimeError(f"it sends more than {MAX_BYTES:,} bytes")
        self._advance("Downloading", self._done, self._total)


def _reason(error: Exception) -> str:
    """Return in few words what went wrong at one mirror."""
    if isinstance(error, URLError) and isinstance(error.reason, Exception):
        return _reason(error.reason)
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    text = str(error) or type(error).__name__
    return OTHER_FILE if text.startswith("File not found or corrupted") else text
