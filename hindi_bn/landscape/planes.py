"""The lines and planes on which the loss is looked at, and a network's functional twin."""

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from hindi_bn.errors import RunError, StudyError
from hindi_bn.landscape.grid import Floats, Plane
from hindi_bn.landscape.weights import Part, parts_of, state_of
from hindi_bn.networks import kind_of
from hindi_bn.networks.local import as_filters
from hindi_bn.networks.norms import norm_of
from hindi_bn.records.path import RunPath

WITH_WEIGHTS = ("convolution", "local", "linear")
MARGIN = 0.15  # beyond the path, on either side


def random_plane(
    network: nn.Module, count: int, seed: int, *, like: nn.Module | None, filters: bool = True
) -> Plane:
    """Return `count` random directions from a network's weights, drawn by the seed.

    Biases and parameters of norms stay (Li et al. 2018). With `filters` each filter of a direction
    has the length of the network's own filter; otherwise a direction is as long as all weights of
    `like` together, the network itself unless given.
    """
    generator = torch.Generator().manual_seed(seed)
    origin, parts = state_of(network), parts_of(network)
    directions = torch.zeros(count, len(origin))
    for direction in directions:
        for part in parts:
            if part.kind == "weights":
                drawn = torch.randn(part.shape, generator=generator).flatten()
                own = origin[part.start : part.stop]
                direction[part.start : part.stop] = (
                    _filter_normalised(drawn, own, part) if filters else drawn
                )
        if not filters:
            reference = state_of(like or network)
            weights = [reference[p.start : p.stop] for p in parts if p.kind == "weights"]
            length = torch.linalg.vector_norm(torch.cat(weights))
            direction.mul_(length / torch.linalg.vector_norm(direction))
    return Plane(origin, directions)


def _filter_normalised(drawn: torch.Tensor, own: torch.Tensor, part: Part) -> torch.Tensor:
    """Give each filter, or each unit's weights, the length that the network's own has."""
    rows, own = as_filters(drawn.view(part.shape)), as_filters(own.view(part.shape))
    norm = torch.linalg.vector_norm
    scaled: torch.Tensor = rows * (norm(own, dim=1, keepdim=True) / norm(rows, dim=1, keepdim=True))
    return scaled.flatten()


@dataclass(frozen=True)
class PathPlane:
    """The plane of a path's two leading principal components, through its last point.

    Args:
        places: Each point of the path projected, (points, 2).
        away: Its distance from the plane, (points,).
        explained: The components' shares of the path's variance, (2,).
    """

    plane: Plane
    places: Floats
    away: Floats
    explained: Floats

    def coordinates(self, points: int, reach: float) -> tuple[Floats, Floats]:
        """Return so many coordinates along each axis, `reach` times the path and a margin."""
        low, high = self.places.min(axis=0), self.places.max(axis=0)
        middle = (low + high) / 2
        half = (high - low) * (0.5 + MARGIN) * reach
        x, y = np.linspace(middle - half, middle + half, points, axis=1)
        return x, y


def path_plane(path: RunPath) -> PathPlane:
    """Return the plane of a run's path; RunError for one with fewer than three points."""
    from sklearn.decomposition import PCA

    weights = path.weights.double().numpy()
    if len(weights) < 3:  # noqa: PLR2004
        raise RunError(
            f"A path of {len(weights)} points has no plane.", "It takes at least three.",
            "train again with recordings: [{kind: path, every: 50}]",
        )  # fmt: skip
    if not np.isfinite(weights).all():
        raise RunError("The path has no plane.", "Some of its weights are not finite.")
    pca = PCA(2, svd_solver="full").fit(weights)
    steps = weights - weights[-1]
    places = steps @ pca.components_.T
    away = np.linalg.norm(steps - places @ pca.components_, axis=1)
    origin = torch.cat([path.weights[-1], path.buffers[-1]])
    directions = torch.zeros(2, len(origin))
    directions[:, : weights.shape[1]] = torch.from_numpy(pca.components_)
    return PathPlane(
        Plane(origin, directions), places, away, np.asarray(pca.explained_variance_ratio_)
    )


def line_between(first: nn.Module, second: nn.Module) -> Plane:
    """Return the straight line from one network (0) to another (1), running averages included."""
    start, end = state_of(first), state_of(second)
    return Plane(start, (end - start).unsqueeze(0))


def twin_of(network: nn.Sequential, factor: float) -> nn.Sequential:
    """Multiply the weights and biases before each norm by a factor: the same function, up to eps.

    Running averages follow. StudyError for a network without norms, a factor that is not positive,
    and an activation between that is no ReLU.
    """
    if not 0 < factor < float("inf"):
        raise StudyError(f"A twin cannot be made by the factor {factor:g}.", "", "take one above 0")
    twin, layers = deepcopy(network), list(network)
    norms = [place for place, layer in enumerate(layers) if kind_of(layer) == "normalisation"]
    if not norms:
        raise StudyError(
            "The network has no functional twin.", "It has no layer that normalises.",
            "name a run with BN",
        )  # fmt: skip
    for place in norms:
        before = max(i for i in range(place) if kind_of(layers[i]) in WITH_WEIGHTS)
        between = layers[before + 1 : place]
        if not all(isinstance(each, nn.ReLU) for each in between):
            raise StudyError(
                "The network has no functional twin.",
                f"Between weights and norm stands {type(between[0]).__name__}, which a factor does "
                "not pass.",
            )
        _multiply(twin[before], twin[place], factor)
    return twin


@torch.no_grad()
def _multiply(layer: nn.Module, norm: nn.Module, factor: float) -> None:
    for parameter in layer.parameters(recurse=False):
        parameter.mul_(factor)
    of = norm_of(norm)
    for name, buffer in norm.named_buffers():
        if of is not None and name in getattr(of, "running", ()):
            buffer.mul_(factor**2 if name == "running_var" else factor)
