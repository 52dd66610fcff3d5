"""Why features of one range train faster: gradient descent on a linear example, by hand.

Two features of different range, a target that is exactly linear in them, and the squared error
L(w) = 1/(2n) |X w - y|^2, whose second derivatives, the same everywhere, are H = X'X / n. LeCun et
al., Efficient BackProp (1998), section 5, has the formulas. The same numbers then for what a
convolution of 3 x 3 sees of real digits.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import nn

from hindi_bn.digits import Digits
from hindi_bn.explain.document import Array, Check, Explanation, Step, Values, compare
from hindi_bn.measures.input_condition import second_moments
from hindi_bn.study import Scaling
from hindi_bn.training.tensors import scale, scaling_constants

FEATURES = np.array([[1.0, 200.0], [2.0, 100.0], [3.0, 400.0], [4.0, 300.0]])  # (rows, features)
WEIGHTS = np.array([4.0, 0.01])  # of the target: whole numbers, and no direction is spared
SCALINGS = ("as they are", "one range", "standardised")
DIGITS: tuple[Scaling, ...] = ("unit", "half", "standard")
ARRIVED = 0.01  # of the distance from the best weights at the start
DRAWN = 40  # steps of a path, and points along each axis of a surface
TOO_FAST = 1.01  # times the largest usable rate
EXACT = 1e-9  # of float64 against float64, relative to the largest value


@dataclass(frozen=True, eq=False)
class Surface:
    """A squared error with `hessian` (weights, weights), least at `best` (weights,)."""

    hessian: Array
    best: Array

    @property
    def curvatures(self) -> Array:
        """The Hessian's eigenvalues (weights,), the smallest first."""
        return np.asarray(np.linalg.eigvalsh(self.hessian))

    @property
    def condition(self) -> float:
        """Largest over smallest eigenvalue."""
        return float(self.curvatures[-1] / self.curvatures[0])

    @property
    def largest_rate(self) -> float:
        """Rate beyond which gradient descent leaves: 2 over the largest eigenvalue."""
        return float(2 / self.curvatures[-1])

    @property
    def best_rate(self) -> float:
        """Rate at which the slowest direction is fastest: 2 over the extremes' sum."""
        return float(2 / (self.curvatures[0] + self.curvatures[-1]))

    @property
    def steps(self) -> int:
        """Steps at the best rate after which `ARRIVED` is left of the distance, by formula."""
        ratio = (self.condition + 1) / (self.condition - 1)
        return math.ceil(-math.log(ARRIVED) / math.log(ratio))

    @property
    def numbers(self) -> Array:
        """Condition number and steps (2,)."""
        return np.array([self.condition, self.steps])

    def loss(self, weights: Array) -> Array:
        """Loss above the least at weights (..., weights)."""
        away = weights - self.best
        return np.asarray(0.5 * np.einsum("...i,ij,...j", away, self.hessian, away))

    def descend(self, rate: float, steps: int, start: Array) -> Array:
        """Return the path of gradient descent, (steps + 1, weights)."""
        path = [start]
        for _ in range(steps):
            path.append(path[-1] - rate * self.hessian @ (path[-1] - self.best))
        return np.array(path)

    def steps_taken(self) -> int:
        """Count the steps of a descent at the best rate until `ARRIVED` is left of the distance.

        From where it takes longest: both extreme directions are as far away.
        """
        _, directions = np.linalg.eigh(self.hessian)
        away = directions[:, 0] + directions[:, -1]
        step = np.eye(len(away)) - self.best_rate * self.hessian
        goal, taken = ARRIVED**2 * (away @ away) * (1 + EXACT), 0
        while away @ away > goal:
            away, taken = step @ away, taken + 1
        return taken

    def growth(self) -> float:
        """Measure by how much a step just beyond the largest rate enlarges the distance."""
        many = 60 * math.ceil(1 / (TOO_FAST - 1))  # of it the fastest direction is left
        path = self.descend(TOO_FAST * self.largest_rate, many, self.best + 1)
        before, after = np.linalg.norm(path[-2:] - self.best, axis=1)
        return float(after / before)


def explain_scaling_by_hand(digits: Digits | None = None) -> Explanation:
    """Work the linear example through, and the same for digits' own inputs if some are given.

    `arrays` has for each of `SCALINGS` the axes `NAME w1`, `NAME w2` (points,), the surface `NAME
    loss` (points, points; w2, w1), `NAME path` (steps + 1, 2), and `NAME numbers`: condition number
    and steps. With digits, `digits` (scalings, 10) are the curvatures by `DIGITS`, and `digits
    numbers` (scalings, 2).
    """
    surfaces = dict(zip(SCALINGS, map(_surface, _scaled()), strict=True))
    steps = [_data_step(), _curvature_step(surfaces), _condition_step(surfaces),
             _rate_step(surfaces), _steps_step(surfaces)]  # fmt: skip
    arrays = _drawn(surfaces)
    data = "four rows of two features, one a hundred times the other"
    if digits is not None:
        found = digits_surfaces(digits)
        steps += [_patches_step(found, digits), _digits_step(found)]
        arrays["digits"] = np.array([surface.curvatures for surface in found.values()])
        arrays["digits numbers"] = np.array([surface.numbers for surface in found.values()])
        data += f"; training images of {digits.title}"
    title = "Feature scaling, step by step: it rounds the error surface"
    return Explanation(title, data, "", tuple(steps), arrays, against="closed forms")


def digits_surfaces(digits: Digits) -> dict[str, Surface]:
    """Return the surface of a 3 x 3 convolution's squared error by the images' scaling.

    Ten weights: nine pixels, and a bias, whose input is 1.
    """
    layer, images = nn.Conv2d(1, 1, 3, device="meta"), digits.train_images  # draws no weights
    found: dict[str, Surface] = {}
    for scaling in DIGITS:
        scaled = scale(images, scaling_constants(images, scaling))
        moments = second_moments(layer, scaled).numpy()
        found[scaling] = Surface(moments, np.zeros(len(moments)))
    return found


def _scaled() -> list[Array]:
    """Return the features under each of `SCALINGS`."""
    mean, std = FEATURES.mean(axis=0), FEATURES.std(axis=0)
    return [FEATURES, FEATURES / std, (FEATURES - mean) / std]


def _surface(features: Array) -> Surface:
    divided = np.linalg.norm(FEATURES - FEATURES.mean(0), axis=0) / np.linalg.norm(
        features - features.mean(0), axis=0
    )
    return Surface(features.T @ features / len(features), WEIGHTS * divided)


def _data_step() -> Step:
    mean, std = FEATURES.mean(axis=0), FEATURES.std(axis=0)
    target = FEATURES @ WEIGHTS
    return Step(
        "Two features of different range, and a target",
        ("y = 4 x₁ + 0.01 x₂", "L(w) = 1/(2n) Σ (w₁ x₁ + w₂ x₂ - y)²"),
        "Three scalings: the features as they are; divided by their std, so that they have one "
        "range; standardised, (x - μ) / σ. Where the features have mean 0, so has the target: its "
        "mean, 12.5, is then the bias, a direction of its own, and left out here.",
        (
            Values("mean μ", mean, "feature"), Values("std σ", std, "feature"),
            Values("x₁, x₂ and y", np.column_stack([FEATURES, target])),
        ),
        (
            compare("pencil: y", target, [6, 9, 16, 19]),
            compare("pencil: σ = √1.25, 100 √1.25", std, np.sqrt(1.25) * np.array([1, 100])),
        ),
    )  # fmt: skip


def _curvature_step(surfaces: Mapping[str, Surface]) -> Step:
    checks = [
        _exact(f"second differences of the loss, {name}", surface.hessian, _differences(features))
        for (name, surface), features in zip(surfaces.items(), _scaled(), strict=True)
    ]
    rho = float(np.corrcoef(FEATURES.T)[0, 1])
    by_pencil = np.array([[1, rho], [rho, 1]])
    checks.append(_exact("pencil: 1 and ρ", surfaces[SCALINGS[2]].hessian, by_pencil))
    return Step(
        "The surface's curvature",
        ("H = (1/n) Σ x xᵀ",),
        "The same at every point, since the loss is a quadratic. Standardised, it is the table of "
        f"the features' correlations, ρ = {rho:g}.",
        tuple(Values(f"H, {name}", surface.hessian) for name, surface in surfaces.items()),
        tuple(checks),
    )


def _condition_step(surfaces: Mapping[str, Surface]) -> Step:
    ends = np.array([surface.curvatures for surface in surfaces.values()])
    roots = np.array([_roots(surface.hessian) for surface in surfaces.values()])
    condition = np.array([surface.condition for surface in surfaces.values()])
    rho = float(np.corrcoef(FEATURES.T)[0, 1])
    return Step(
        "Condition number: how long the valley is for its width",
        ("λ = T/2 ± √(T²/4 - D), T = h₁₁ + h₂₂, D = h₁₁ h₂₂ - h₁₂²", "κ = λ₂ / λ₁"),
        "Contours are ellipses, √κ times as long as wide. One range takes away the most; the mean, "
        "which all rows share, is what centring takes away; what is left, (1 + ρ) / (1 - ρ), is "
        "the features' correlation: only decorrelating them would make κ = 1.",
        (
            Values("smallest λ₁", ends[:, 0], SCALINGS), Values("largest λ₂", ends[:, 1], SCALINGS),
            Values("condition κ", condition, SCALINGS),
        ),
        (
            _exact("the quadratic's roots: λ", ends, roots),
            _exact("pencil: κ, one range and standardised", condition[1:],
                   np.array([29, (1 + rho) / (1 - rho)])),
        ),
    )  # fmt: skip


def _rate_step(surfaces: Mapping[str, Surface]) -> Step:
    rates = np.array([surface.largest_rate for surface in surfaces.values()])
    growth = np.array([surface.growth() for surface in surfaces.values()])
    return Step(
        "Largest usable learning rate",
        ("w ← w - η H (w - w*): along λ the distance is multiplied by 1 - η λ", "η < 2 / λ₂"),
        f"The steepest direction sets the rate for all. At {TOO_FAST:g} times the largest rate its "
        "distance grows by 2 % a step, whichever the scaling.",
        (
            Values("largest rate 2/λ₂", rates, SCALINGS, ".3g"),
            Values(f"growth at {TOO_FAST:g} times it", growth, SCALINGS),
        ),
        (
            _exact("|1 - η λ₂|, of a descent", growth, np.full(len(growth), 2 * TOO_FAST - 1)),
        ),
    )  # fmt: skip


def _steps_step(surfaces: Mapping[str, Surface]) -> Step:
    rates = np.array([surface.best_rate for surface in surfaces.values()])
    steps = np.array([float(surface.steps) for surface in surfaces.values()])
    taken = np.array([float(surface.steps_taken()) for surface in surfaces.values()])
    return Step(
        "Steps to converge, at the best rate",
        ("η = 2 / (λ₁ + λ₂): the distance shrinks by (κ - 1) / (κ + 1) a step",
         "steps to 1 % of it: ln 100 / ln((κ + 1) / (κ - 1))"),
        "In two dimensions both directions then shrink alike, one from side to side, one along the "
        "valley.",
        (
            Values("best rate", rates, SCALINGS, ".3g"), Values("steps to 1 %", taken, SCALINGS),
        ),
        (_exact("the formula, against steps counted of a descent", taken, steps),),
    )  # fmt: skip


def _patches_step(found: Mapping[str, Surface], digits: Digits) -> Step:
    unit = found["unit"].hessian
    checks = []
    for scaling in DIGITS[1:]:
        shift, divisor = scaling_constants(digits.train_images, scaling)
        affine = np.eye(len(unit)) / divisor
        affine[:-1, -1], affine[-1, -1] = -shift / divisor, 1
        checks.append(
            _exact(f"A H Aᵀ from unit, {scaling}", found[scaling].hessian, affine @ unit @ affine.T,
                   of=1e-5)
        )  # fmt: skip
    shift, divisor = scaling_constants(digits.train_images, "standard")
    return Step(
        "The digits: what the first convolution sees",
        ("x: nine pixels of a 3 x 3 patch, and 1 for the bias; H = (1/n) Σ x xᵀ, 10 x 10",),
        f"All patches within the {len(digits.train_labels):,} training images, as the article's "
        "first layer sees them. Scalings are those of a study: unit, 0 to 1; half, -1 to 1; "
        f"standard, (grey - {shift:.4f}) / {divisor:.4f}. H is the curvature of a linear layer's "
        "squared error; that of the whole network's loss is another thing.",
        (),
        tuple(checks),
    )


def _digits_step(found: Mapping[str, Surface]) -> Step:
    of = found.values()
    taken = np.array([float(surface.steps_taken()) for surface in of])
    steps = np.array([float(surface.steps) for surface in of])
    growth = np.array([surface.growth() for surface in of])
    return Step(
        "The digits: the same numbers",
        (),
        "All pixels have one range already, and neighbours are nearly equal, which a scaling of "
        "all alike does not change: κ stays in the hundreds. What standardising wins is the mean.",
        (
            Values("smallest λ", np.array([s.curvatures[0] for s in of]), DIGITS),
            Values("largest λ", np.array([s.curvatures[-1] for s in of]), DIGITS),
            Values("condition κ", np.array([s.condition for s in of]), DIGITS),
            Values("largest rate", np.array([s.largest_rate for s in of]), DIGITS),
            Values("steps to 1 %", taken, DIGITS),
        ),
        (
            _exact("|1 - η λ|, of a descent beyond the largest rate", growth,
                   np.full(len(growth), 2 * TOO_FAST - 1)),
            _exact("the formula, against steps counted of a descent", taken, steps),
        ),
    )  # fmt: skip


def _drawn(surfaces: Mapping[str, Surface]) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    for name, surface in surfaces.items():
        reach = 1.6 * float(np.abs(surface.best).max())
        axes = [np.linspace(best - reach, best + reach, 4 * DRAWN + 1) for best in surface.best]
        grid = np.stack(np.meshgrid(*axes), axis=-1)  # (w2, w1, weights)
        path = surface.descend(surface.best_rate, DRAWN, np.zeros(2))
        arrays |= {
            f"{name} w1": axes[0], f"{name} w2": axes[1], f"{name} path": path,
            f"{name} loss": surface.loss(grid), f"{name} numbers": surface.numbers,
        }  # fmt: skip
    return arrays


def _roots(hessian: Array) -> tuple[float, float]:
    """Eigenvalues of a 2 x 2 matrix by the formula for a quadratic, the smaller one stably."""
    half = (hessian[0, 0] + hessian[1, 1]) / 2
    product = hessian[0, 0] * hessian[1, 1] - hessian[0, 1] ** 2
    larger = half + math.sqrt(half**2 - product)
    return product / larger, larger


def _differences(features: Array) -> Array:
    """Second differences of the loss, exact for a quadratic up to rounding; the target cancels."""

    def loss(*weights: float) -> float:
        return float(((features @ np.array(weights)) ** 2).mean() / 2)

    cross = loss(1, 1) - loss(1, 0) - loss(0, 1) + loss(0, 0)
    first, second = (2 * loss(*one) for one in ((1, 0), (0, 1)))
    return np.array([[first, cross], [cross, second]])


def _exact(against: str, ours: Array, theirs: Array, of: float = EXACT) -> Check:
    """Compare numbers in float64, to `of` of the largest."""
    check = compare(against, ours, theirs)
    return Check(against, check.largest_difference, of * float(np.abs(theirs).max()))
