"""What is said of a network's Hessian in numbers."""

from typing import NamedTuple

import numpy as np
from torch import nn

from hindi_bn.curvature.hessian import Hessian, filter_lengths, scaled
from hindi_bn.curvature.spectrum import Quadrature, Vector, largest, quadrature
from hindi_bn.study import Run

OUTLIERS = 10
"""Eigenvalues from the largest on among which outliers are sought: as many as there are classes."""


class Curvature(NamedTuple):
    """Numbers by name, the largest eigenvalues (falling), and the distribution of all."""

    quantities: dict[str, float]
    eigenvalues: Vector
    spectrum: Quadrature | None


def curvature_of(
    hessian: Hessian, network: nn.Sequential, rng: np.random.Generator, eigenvalues: int,
    *, steps: int = 0, probes: int = 1,
) -> Curvature:  # fmt: skip
    """Measure the Hessian of a network's loss; `steps` and `probes` are `quadrature`'s.

    `loss`, `gradient_norm`, `largest` eigenvalue, and `largest_normalised`: with respect to filters
    of length 1 (`filter_lengths`). With `OUTLIERS` eigenvalues or more `outlier_ratio`, the first
    over the last of them, and `gradient_share`, the squared gradient's share along their vectors
    (Ghorbani et al. 2019). With the density the `smallest` and the `mean` eigenvalue.
    """
    loss, gradient = hessian.gradient()
    found, vectors = largest(hessian, eigenvalues, rng)
    by_length, _ = largest(scaled(hessian, filter_lengths(network)), 1, rng)
    values = {
        "loss": loss,
        "gradient_norm": float(np.linalg.norm(gradient)),
        "largest": float(found[0]),
        "largest_normalised": float(by_length[0]),
    }
    if len(found) >= OUTLIERS:
        along = gradient @ vectors[:, :OUTLIERS]
        values["outlier_ratio"] = float(found[0] / found[OUTLIERS - 1])
        values["gradient_share"] = float(along @ along / (gradient @ gradient))
    spectrum = quadrature(hessian, steps, probes, rng) if steps else None
    if spectrum:
        values |= {"smallest": float(spectrum.nodes[0]), "mean": spectrum.mean}
    return Curvature(values, found, spectrum)


def edge_of_stability(run: Run) -> float:
    """Return the eigenvalue above which descent on a quadratic grows: 2 / lr, with momentum more.

    Cohen et al. (2021), section 2 and appendix B: 2 (1 + momentum) / lr. NaN for Adam.
    """
    return 2 * (1 + run.momentum) / run.lr if run.optimizer == "sgd" else float("nan")
