"""Eigenvalues of an operator: the largest ones, and how all of them are distributed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from hindi_bn.errors import HindiBnError

Vector = NDArray[np.float64]

TOLERANCE = 1e-2
"""Largest residual of an eigenvector over its eigenvalue; the eigenvalue's own error is about its
square."""

BREAKDOWN = 1e-10
"""A Lanczos vector this much smaller than the first diagonal element is rounding: all is found."""


def largest(
    operator: LinearOperator, count: int, rng: np.random.Generator
) -> tuple[Vector, NDArray[np.float64]]:
    """Return the largest eigenvalues, falling, (count,), and their vectors (size, count).

    They are at most size - 1; HindiBnError where Lanczos does not converge.
    """
    size = operator.shape[0]
    count = min(count, size - 1)
    start = rng.standard_normal(size)
    try:
        values, vectors = eigsh(
            operator, count, which="LA", v0=start, tol=TOLERANCE, ncv=min(size, 2 * count + 10)
        )
    except ArpackNoConvergence as error:
        raise HindiBnError(
            "The largest eigenvalues of the Hessian did not converge.",
            str(error),
            "ask for fewer --eigenvalues",
        ) from error
    order = np.argsort(values)[::-1]
    return values[order], vectors[:, order]


def lanczos(operator: LinearOperator, start: Vector, steps: int) -> tuple[Vector, Vector]:
    """Return diagonal (m,) and off-diagonal (m - 1,) of the operator in its Krylov space.

    Each vector is made orthogonal to all before it, twice: otherwise eigenvalues come again. m is
    `steps`, or less where the space ends before.
    """
    basis = np.empty((steps, len(start)))
    basis[0] = start / np.linalg.norm(start)
    diagonal, off = np.empty(steps), np.empty(steps)
    for place in range(steps):
        vector = operator @ basis[place]
        diagonal[place] = basis[place] @ vector
        so_far = basis[: place + 1]
        for _ in range(2):
            vector = vector - so_far.T @ (so_far @ vector)
        off[place] = np.linalg.norm(vector)
        found = place + 1 == steps or off[place] <= BREAKDOWN * np.abs(diagonal[: place + 1]).max()
        if found:
            return diagonal[: place + 1], off[:place]
        basis[place + 1] = vector / off[place]
    raise AssertionError("steps is at least 1")


@dataclass(frozen=True)
class Quadrature:
    """Nodes (n,), rising, and the share of the eigenvalues that each stands for, sum 1."""

    nodes: Vector
    shares: Vector

    def density(self, width: float, points: int = 400) -> tuple[Vector, Vector]:
        """Return a grid (points,) and the density there, each node a normal curve of that width."""
        low, high = self.nodes[0] - 4 * width, self.nodes[-1] + 4 * width
        grid = np.linspace(low, high, points)
        curves = np.exp(-0.5 * ((grid[:, None] - self.nodes) / width) ** 2)
        return grid, curves @ self.shares / (width * np.sqrt(2 * np.pi))

    @property
    def mean(self) -> float:
        """The mean eigenvalue: the trace over the size."""
        return float(self.nodes @ self.shares)


def quadrature(
    operator: LinearOperator, steps: int, probes: int, rng: np.random.Generator
) -> Quadrature:
    """Return the distribution of the eigenvalues by stochastic Lanczos quadrature.

    Ubaru, Chen and Saad (2017): `steps` steps from each of `probes` random vectors, whose means are
    exact for polynomials up to degree 2 steps - 1 but for the draw.
    """
    nodes, shares = [], []
    size = operator.shape[0]
    for _ in range(probes):
        start = rng.choice([-1.0, 1.0], size)
        values, vectors = eigh_tridiagonal(*lanczos(operator, start, min(steps, size)))
        nodes.append(values)
        shares.append(vectors[0] ** 2 / probes)
    joined: Vector = np.concatenate(nodes)
    order = np.argsort(joined, kind="stable")
    of_each: Vector = np.concatenate(shares)
    return Quadrature(joined[order], of_each[order])
