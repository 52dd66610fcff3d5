"""The curvature of a run's loss: largest eigenvalues of its Hessian, and their distribution."""

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn

from hindi_bn.curvature.hessian import Hessian, Statistics, scale_invariant
from hindi_bn.curvature.quantities import OUTLIERS, Curvature, curvature_of, edge_of_stability
from hindi_bn.curvature.spectrum import Quadrature
from hindi_bn.digits import Digits
from hindi_bn.landscape.subset import Subset, subset_of
from hindi_bn.landscape.weights import put
from hindi_bn.records import Record, RunFolder
from hindi_bn.records.path import read_path
from hindi_bn.study import Run, batches
from hindi_bn.training.run import initial_network, load_network
from hindi_bn.training.tensors import training_digits

IMAGES = 2000
WIDTH = 0.005
"""Width of the density's normal curves, over the distance from smallest to largest eigenvalue."""

COLUMNS = ("run", "seed", "statistics", "epoch", "step", "quantity", "rank", "value")

OnProduct = Callable[[str, int], None]
"""Called after every product with what is measured, and how many products were made for it."""


@dataclass(frozen=True)
class Asked:
    """What is asked of each network.

    `steps` of Lanczos from each of `probes` vectors give the density; 0 leave it away. `points`
    counts the networks of a run that has recorded its path; without a path there are two, the
    untrained and the trained one.
    """

    statistics: tuple[Statistics, ...] = ("batch", "running")
    eigenvalues: int = OUTLIERS
    steps: int = 60
    probes: int = 1
    points: int = 2
    float64: bool = False


class Tables(NamedTuple):
    """`values`, a row per `COLUMNS` (rank 0 but for eigenvalues), and `density` of eigenvalues."""

    values: pd.DataFrame
    density: pd.DataFrame


def curvature_tables(
    records: Sequence[Record], digits: Digits, asked: Asked, *,
    images: int = IMAGES, draw: int = 0, on_product: OnProduct = lambda what, products: None,
) -> Tables:  # fmt: skip
    """Measure runs at their points, under each of the statistics asked for.

    HindiBnError as `subset_of` and `load_network` raise it.
    """
    values: list[tuple[object, ...]] = []
    density: list[pd.DataFrame] = []
    for record in records:
        subset = subset_of(record, digits, images, draw)
        steps = batches(
            len(training_digits(digits, record.run).train_labels), record.run.batch_size
        )
        for epoch, step, network in networks_along(record, steps, asked.points):
            for statistics in asked.statistics:
                what = f"{record.name}, statistics of {statistics}, step {step:,}"
                counter = partial(_count, itertools.count(1), what, on_product)
                found = _measured(network, subset, record.run, statistics, asked, counter)
                key = (record.name, record.study.seed, statistics, epoch, step)
                quantities = found.quantities | {"edge": edge_of_stability(record.run)}
                values += [(*key, name, 0, value) for name, value in quantities.items()]
                ranked = enumerate(found.eigenvalues.tolist(), start=1)
                values += [(*key, "eigenvalue", rank, value) for rank, value in ranked]
                if found.spectrum:
                    density.append(_density(key, found.spectrum))
    columns = [*COLUMNS[:5], "eigenvalue", "density"]
    return Tables(
        pd.DataFrame(values, columns=COLUMNS),
        pd.concat(density, ignore_index=True) if density else pd.DataFrame(columns=columns),
    )


def _measured(
    network: nn.Sequential, subset: Subset, run: Run, statistics: Statistics, asked: Asked,
    on_product: Callable[[], None],
) -> Curvature:  # fmt: skip
    images = subset.images
    if asked.float64:
        network, images = copy.deepcopy(network).double(), images.double()
    hessian = Hessian(
        network, images, subset.labels, statistics, run.batch_size, on_product=on_product
    )
    rng = np.random.default_rng(subset.seed)
    return curvature_of(
        hessian, network, rng, asked.eigenvalues, steps=asked.steps, probes=asked.probes
    )


def networks_along(
    record: Record, steps: int, points: int
) -> Iterator[tuple[int, int, nn.Sequential]]:
    """Give epoch, step and network of a run's points, from the untrained to the trained one.

    `points` of its path, the first and the last among them, if it has recorded that; `steps` are
    those of an epoch.
    """
    if not any(recording.kind == "path" for recording in record.run.recordings):
        yield -1, 0, initial_network(record)
        last = len(record.history) - 1
        yield last, (last + 1) * steps, load_network(record)
        return
    path, network = read_path(RunFolder(record.folder)), load_network(record)
    for place in np.unique(np.linspace(0, len(path.step) - 1, points).round().astype(int)):
        put(network, torch.cat([path.weights[place], path.buffers[place]]))
        yield int(path.epoch[place]), int(path.step[place]), network


def normalised_is_invariant(record: Record) -> bool:
    """Tell whether the length of every filter is without effect in train mode."""
    return scale_invariant(initial_network(record))


def _count(products: Iterator[int], what: str, on_product: OnProduct) -> None:
    on_product(what, next(products))


def _density(key: tuple[Any, ...], spectrum: Quadrature) -> pd.DataFrame:
    width = WIDTH * (spectrum.nodes[-1] - spectrum.nodes[0])
    grid, density = spectrum.density(float(width))
    frame = pd.DataFrame({"eigenvalue": grid, "density": density})
    return frame.assign(**dict(zip(COLUMNS[:5], key, strict=True)))[[*COLUMNS[:5], *frame]]
