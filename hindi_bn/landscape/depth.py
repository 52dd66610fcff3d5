"""Signals and gradients by depth, before any training: with BN and without.

Bjorck et al., Understanding Batch Normalization (2018), show how channels' means and variances and
the gradient's entries differ between a deep network with BN and one without. Yang et al., A Mean
Field Theory of Batch Normalization (2019), find that BN itself makes gradients grow with depth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import nn
from torch.nn import functional

from hindi_bn.landscape.subset import Subset
from hindi_bn.networks import build_run, kind_of, run_of
from hindi_bn.networks.preserved import preserved
from hindi_bn.study import Run

NETWORK = "three_convs"
ARMS = {"no-bn": "none", "bn": "batch"}
"""Norm by the name of the arm."""

INITS = ("default", "kaiming")
DEPTHS = (3, 5, 10, 20, 30, 50)
FEWEST = 3
"""Convolutions, at least: the second is compared with the last, which is of the same shape."""

EDGES = np.linspace(-12, 12, 97)
"""Of the histogram of a gradient's entries, in their standard deviations."""

MEAN_FIELD = (np.pi / (np.pi - 1)) ** 0.5
"""Growth of the gradient a layer with BN and ReLU, in wide linear layers (Yang et al. 2019).

What flows back is divided by the std of what a layer gives and passes half of the ReLUs; of
normalised inputs a ReLU's variance is (1 - 1/pi) / 2: (1/2) / ((1 - 1/pi) / 2) for the square.
"""

SEEDLESS = ["init", "arm", "depth"]


def run_of_depth(depth: int, arm: str, init: str) -> Run:
    """Return the run whose network has so many convolutions; StudyError for what cannot be."""
    return run_of(NETWORK, ARMS[arm], init=init, options={"convolutions": depth})


def by_depth(
    images: Subset, depths: Sequence[int], seeds: int,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Send the images through untrained networks, and the loss's gradient back.

    Args:
        images: One batch: with BN its statistics are used, as in training.
        depths: Numbers of convolutions, from `FEWEST`.
        seeds: So many networks of each kind, from seed 0; both arms start from the same weights.
        advance: Called with the networks done and their number.

    Returns:
        Rows with `init`, `arm`, `depth`, `seed`, `layer` (the convolution, from 1) and of what the
        convolution gives, BN not yet applied, `mean`, the mean of the channels' absolute means, and
        `variance`, the mean of their variances; of the loss's gradient by its weights `gradient`,
        the L2 norm, and `kurtosis`, that of the entries (3 for a normal distribution).
        And the entries' histogram in the middle convolution of the deepest networks, over all
        seeds: `init`, `arm`, `low`, `high` (standard deviations), `density`, that of a `normal`
        distribution, and the number of `entries`.
    """
    cells = list(product(INITS, ARMS, depths, range(seeds)))
    rows, entries = [], dict[tuple[str, str], list[np.ndarray]]()
    for done, (init, arm, depth, seed) in enumerate(cells):
        network = _untrained(run_of_depth(depth, arm, init), images, seed)
        for layer, (values, gradient) in enumerate(read(network, images), start=1):
            rows.append({"init": init, "arm": arm, "depth": depth, "seed": seed, "layer": layer,
                         **values})  # fmt: skip
            if depth == max(depths) and layer == (depth + 1) // 2:
                entries.setdefault((init, arm), []).append(gradient / gradient.std())
        advance(done + 1, len(cells))
    return pd.DataFrame(rows), pd.concat([_histogram(*of) for of in entries.items()])


def read(network: nn.Module, images: Subset) -> Iterator[tuple[dict[str, float], np.ndarray]]:
    """Give the values of each convolution, in order, and its gradient's entries (weights,)."""
    x, given, weights = images.images, [], []
    with preserved(network, train=True):
        for layer in network.children():
            x = layer(x)
            if kind_of(layer) == "convolution":
                given.append(torch.var_mean(x.detach(), dim=(0, 2, 3), correction=0))
                weights.append(layer.weight)
        loss = functional.cross_entropy(x, images.labels)
        gradients = torch.autograd.grad(loss, weights)  # type: ignore[arg-type]
    for (variance, mean), gradient in zip(given, gradients, strict=True):
        entries = gradient.double().flatten().numpy()  # squares of small ones would be 0
        yield (
            {
                "mean": float(mean.abs().mean()),
                "variance": float(variance.mean()),
                "gradient": float(np.linalg.norm(entries)),
                "kurtosis": float(stats.kurtosis(entries, fisher=False)),
            },
            entries,
        )


def growth(rows: pd.DataFrame) -> pd.DataFrame:
    """Return how the gradient grows from the last convolution back to the second, over seeds.

    A row per init, arm and depth: median, `low` and `high` (the extremes) of `ratio`, the second
    convolution's gradient over the last one's, `per_layer`, the median's root by the layers
    between, `mean_field`, what `MEAN_FIELD` a layer would make of them, `kurtosis`, the median of
    the middle convolution's, and `n` seeds.
    """
    found = []
    for key, part in rows.groupby(SEEDLESS, sort=False):
        depth = int(part["depth"].iloc[0])
        table = part.pivot(index="seed", columns="layer", values="gradient")  # noqa: PD010
        ratio = table[2] / table[depth]
        middle = part.loc[part["layer"] == (depth + 1) // 2, "kurtosis"]
        found.append(dict(zip(SEEDLESS, key, strict=True)) | {
            "ratio": ratio.median(), "low": ratio.min(), "high": ratio.max(),
            "per_layer": ratio.median() ** (1 / (depth - 2)),
            "mean_field": MEAN_FIELD ** (depth - 2), "kurtosis": middle.median(), "n": len(ratio),
        })  # fmt: skip
    return pd.DataFrame(found)


def over_seeds(rows: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Return a quantity's median, `low` and `high` (the extremes) over seeds, by layer."""
    groups = rows.groupby([*SEEDLESS, "layer"], sort=False)[quantity]
    return groups.agg(median="median", low="min", high="max").reset_index()


def _untrained(run: Run, images: Subset, seed: int) -> nn.Module:
    with preserved():
        torch.manual_seed(seed)
        return build_run(run, images.images.shape[-1])


def _histogram(of: tuple[str, str], entries: list[np.ndarray]) -> pd.DataFrame:
    joined = np.concatenate(entries)
    counts, _ = np.histogram(joined, EDGES)
    return pd.DataFrame({
        "init": of[0], "arm": of[1], "low": EDGES[:-1], "high": EDGES[1:],
        "density": counts / len(joined) / np.diff(EDGES),
        "normal": np.diff(stats.norm.cdf(EDGES)) / np.diff(EDGES), "entries": len(joined),
    })  # fmt: skip
