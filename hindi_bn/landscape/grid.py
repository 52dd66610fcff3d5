"""Losses at many points: by a thread per core, kept as they come, with less memory where it ends.

What is done is kept in a file that is named by a digest of all that the losses depend on, so that
the same call goes on after a stop, and no other one does. A point's loss is the same whatever the
number of threads.
"""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hindi_bn.errors import HindiBnError
from hindi_bn.files import json_text, refused, replacing
from hindi_bn.landscape.losses import AT_ONCE, Value, by_engine, loss_at
from hindi_bn.landscape.subset import Subset
from hindi_bn.records import Record

Floats = NDArray[np.float64]

BLOCK = 64  # points, after which what is done is kept: some seconds


@dataclass(frozen=True)
class Plane:
    """A line or a plane: an origin (n,), and one or two directions (k, n)."""

    origin: torch.Tensor
    directions: torch.Tensor

    def state(self, coordinates: Sequence[float]) -> torch.Tensor:
        """Return the state (n,) at coordinates (k,)."""
        state = self.origin.clone()
        for place, direction in zip(coordinates, self.directions, strict=True):
            state.add_(direction, alpha=float(place))
        return state


@dataclass(frozen=True)
class Points:
    """States of a network, computed as they are needed, and a digest of all of them."""

    count: int
    state: Callable[[int], torch.Tensor]
    sha256: str


@dataclass(frozen=True)
class Work:
    """How losses are computed: on what, by how many threads, where they are kept, whom to tell.

    `advance` is called with what is computed, the points done and all points.
    """

    device: torch.device
    workers: int
    folder: Path
    advance: Callable[[str, int, int], None] = lambda what, done, points: None


def on_plane(plane: Plane, coordinates: Floats) -> Points:
    """Return the points of a plane at coordinates (points, k)."""
    digest = _sha256(plane.origin.numpy(), plane.directions.numpy(), coordinates)
    return Points(len(coordinates), lambda i: plane.state(coordinates[i]), digest)


def listed(states: torch.Tensor) -> Points:
    """Return the states of a list (points, n)."""
    return Points(len(states), lambda i: states[i], _sha256(states.numpy()))


def losses(
    record: Record, subset: Subset, statistics: str, points: Points, work: Work, what: str
) -> Floats:
    """Return the mean loss and the accuracy at each point, (points, 2); a loss may be NaN.

    HindiBnError when there is not enough memory even for one thread and small parts.
    """
    file = work.folder / f"{_identity(record, subset, statistics, points, work.device)}.npy"
    found = _kept(file)
    workers, at_once = work.workers if work.device.type == "cpu" else 1, AT_ONCE
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if workers > 1 else threads)
    try:
        while len(found) < points.count:
            try:
                compute = [
                    loss_at(record, subset, statistics, work.device, at_once)
                    for _ in range(workers)
                ]
                with ThreadPoolExecutor(workers) as pool:
                    while len(found) < points.count:
                        work.advance(what, len(found), points.count)
                        stop = min(len(found) + BLOCK, points.count)
                        found = np.concatenate(
                            [found, _block(pool, compute, points, len(found), stop)]
                        )
                        _keep(file, found)
            except (MemoryError, RuntimeError) as error:
                workers, at_once = _smaller(error, workers, at_once)
    finally:
        torch.set_num_threads(threads)
    work.advance(what, points.count, points.count)
    return found


def forget(folder: Path) -> None:
    """Delete what was kept in a folder, once it stands in a result."""
    for file in folder.glob("*.npy"):
        file.unlink()
    if folder.exists():
        folder.rmdir()


def _block(
    pool: ThreadPoolExecutor,
    compute: Sequence[Callable[[torch.Tensor], Value]],
    points: Points,
    start: int,
    stop: int,
) -> Floats:
    """Return loss and accuracy of the points from `start` to `stop`."""
    step = len(compute)
    values = np.empty((stop - start, 2))

    def share(worker: int) -> None:
        for i in range(start + worker, stop, step):
            values[i - start] = compute[worker](points.state(i))

    list(pool.map(share, range(step)))
    return values


def _smaller(error: Exception, workers: int, at_once: int) -> tuple[int, int]:
    """Return fewer threads or smaller parts after an error, if it says that memory has ended."""
    said = str(error)
    ended = isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in said
    if not ended:
        raise error
    if workers == 1 and at_once == 1:
        raise HindiBnError(
            "There is not enough memory to take the loss.", said.splitlines()[0] if said else "",
            "take fewer images with --images",
        ) from error  # fmt: skip
    return 1, at_once if workers > 1 else at_once // 2


def _kept(file: Path) -> Floats:
    if not file.exists():
        return np.empty((0, 2))
    with refused(f"{file} cannot be read.", "delete it: its points are computed again"):
        found = np.load(file, allow_pickle=False)
        if found.dtype != np.float64 or found.ndim != 2 or found.shape[1] != 2:  # noqa: PLR2004
            raise ValueError(f"it holds {found.dtype} {found.shape}")
        return np.asarray(found)


def _keep(file: Path, found: Floats) -> None:
    with replacing(file) as temporary, temporary.open("wb") as opened:
        np.save(opened, found)


def _identity(
    record: Record, subset: Subset, statistics: str, points: Points, device: torch.device
) -> str:
    """Return a digest of all that the losses depend on."""
    about = {
        "run": record.run.model_dump(mode="json"), "side": record.study.image_size,
        "statistics": statistics, "points": points.sha256, "torch": torch.__version__,
        "computed": "engine" if by_engine(record, device) else device.type,
    }  # fmt: skip
    images = (subset.images.numpy(), subset.labels.numpy())
    return _sha256(json_text(about).encode(), *images)[:32]


def _sha256(*parts: bytes | NDArray[np.generic]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else np.ascontiguousarray(part).data)
    return digest.hexdigest()
