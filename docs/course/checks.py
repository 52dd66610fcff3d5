"""The course's self-checks, its solutions, and the game of verdicts.

The solutions are below. The notebook shows one at a time: `checks.solution("means")`.
"""

import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch.nn import functional

from hindi_bn.claims.numbers import number
from hindi_bn.claims.results import ClaimResult

Hint = str | None
"""What is wrong with an answer; None for a right one."""

UNANSWERED = "no answer yet"

VERDICTS = ("supported", "opposite found", "not as stated", "undecided")

ASKED = (
    "running-averages", "learning-rate", "covariate-shift", "loss", "placement", "small-weights",
    "batch-of-one", "same-in-the-end", "initialisation", "momentum", "accuracy",
)  # fmt: skip
"""Names of the claims that are asked about, in this order; the last has a section of its own."""

SOLUTIONS = {
    "means": "my_means = [6, 20]  # (0 + 3 + 6 + 9 + 12) / 5 and (10 + 10 + 40 + 20 + 20) / 5",
    "variances": "my_variances = [18, 120]  # (36 + 9 + 0 + 9 + 36) / 5, (100 + 100 + 400) / 5",
    "batch_norm": """\
def my_batch_norm(x, gamma, beta, eps=1e-5):
    mean = x.mean(dim=0)
    variance = x.var(dim=0, correction=0)  # correction=0: divided by m, not by m - 1
    return gamma * (x - mean) / torch.sqrt(variance + eps) + beta""",
    "eps": "my_std = (1e-6 / (1e-6 + 1e-5)) ** 0.5  # 0.30: eps is larger than the variance",
    "feature_maps": """\
my_axes = (0, 2, 3)  # all but the channel's
my_count = 32 * 32 * 32  # images x rows x columns""",
    "running": """\
my_running_mean = [0.9 * 0 + 0.1 * 6, 0.9 * 0 + 0.1 * 20]
my_running_variance = [0.9 * 1 + 0.1 * 22.5, 0.9 * 1 + 0.1 * 150]  # 90 / 4 and 600 / 4""",
    "evaluation": "my_output = (0 - 0.6) / (3.15 + 1e-5) ** 0.5  # running averages, not 6 and 18",
    "momentum": "my_batches = 44  # 0.9 ** 43 = 0.0108, 0.9 ** 44 = 0.0097",
    "scale": 'my_outputs, my_gradients = "the same", "a tenth"',
    "interval": """\
def my_interval(differences):
    n, mean = len(differences), np.mean(differences)
    error = np.std(differences, ddof=1) / n**0.5  # the mean's standard error
    half = stats.t.ppf(0.975, n - 1) * error  # 2.5 % on either side
    return mean - half, mean + half""",
}


def check(name: str, *answers: Any) -> None:
    """Say whether answers to an exercise are right, and if not, what may be wrong."""
    try:
        hint = UNANSWERED if any(map(_missing, answers)) else _CHECKS[name](*answers)
    except Exception as error:  # whatever the learner's code raises
        hint = f"{type(error).__name__}: {error}"
    if hint is UNANSWERED:
        print(f'No answer yet. Write it in the place of ..., or ask: checks.solution("{name}")')
    else:
        print(f"Right: {name}." if hint is None else f"Not yet: {hint}")


def solution(name: str) -> None:
    """Print the solution of an exercise."""
    print(SOLUTIONS[name])


def choose_claims(results: Iterable[ClaimResult], count: int) -> list[ClaimResult]:
    """Choose claims to ask about, of those with a verdict; all of these if they are fewer."""
    decided = {r.name: r for r in results if r.verdict != "pilot" and r.stage != "smoke"}
    return [decided[name] for name in ASKED if name in decided][:count]


def ask(claims: Sequence[ClaimResult]) -> None:
    """Print what claims say and how they were tested, not what was found."""
    for place, claim in enumerate(claims, start=1):
        print(f"{place}. {claim.title} ({claim.n} seeds, {claim.epochs} epochs)")
        for text in (claim.statement, claim.method):
            print(textwrap.fill(text, 90, initial_indent="   ", subsequent_indent="   "))
    if not claims:
        print("No further claim has a verdict yet.")


def reveal(claims: Sequence[ClaimResult], guesses: Sequence[str]) -> None:
    """Print the verdicts of the claims with a guess, and the tests that they rest on."""
    right = 0
    for place, (claim, guess) in enumerate(zip(claims, guesses, strict=False), start=1):
        if guess not in VERDICTS:
            print(f"{place}. No guess yet. The words are: {', '.join(VERDICTS)}.")
            continue
        right += guess == claim.verdict
        print(f"{place}. {claim.title}\n   verdict: {claim.in_words}. {_answer(guess, claim)}")
        for effect in claim.effects:
            unit = f" {effect.unit}" if effect.unit else ""
            between = f"[{number(effect.corrected_low)}, {number(effect.corrected_high)}]"
            print(f"   - {effect.label}: {number(effect.mean)} {between}{unit},")
            print(f"     claimed is {effect.region}; n = {effect.n} seeds")
    if claims:
        print(f"{right} of {len(claims)} right.")


def _answer(guess: str, claim: ClaimResult) -> str:
    if guess == claim.verdict:
        return "You are right."
    if {guess, claim.verdict} == {"opposite found", "not as stated"}:
        return f"You said {guess}: it does fail, but in another way."
    return f"You said {guess}."


def _missing(answer: Any) -> bool:
    return answer is ... or (isinstance(answer, list | tuple) and any(a is ... for a in answer))


def _close(answer: Any, expected: Any, tolerance: float = 0.01) -> bool:
    found, wanted = np.asarray(answer, dtype=float), np.asarray(expected, dtype=float)
    return found.shape == wanted.shape and bool(np.allclose(found, wanted, atol=tolerance, rtol=0))


def _means(answer: Any) -> Hint:
    if _close(answer, [5, 6.5, 23, 14.5, 16]):
        return "these are means of the rows. Batch norm takes the mean of each column."
    return None if _close(answer, [6, 20]) else "two means are asked for, one per column."


def _variances(answer: Any) -> Hint:
    if _close(answer, [22.5, 150]):
        return "you divided by m - 1. The batch is normalised with the biased variance: by m."
    if _close(answer, [4.243, 10.954]):
        return "these are standard deviations, the roots of the variances."
    right = _close(answer, [18, 120])
    return None if right else "take the mean of the squared distances from 6, and from 20."


def _batch_norm(function: Callable[..., Any]) -> Hint:
    random = torch.Generator().manual_seed(0)
    x = torch.randn(16, 3, generator=random, dtype=torch.float64) * 4 + 7
    x[:, 2] = 5  # a feature without spread
    gamma, beta = torch.tensor([1.0, 2.0, 1.0]).double(), torch.tensor([0.0, 1.0, -1.0]).double()
    found = function(x, gamma, beta)
    if found is None or found is ...:
        return UNANSWERED
    if found.shape != x.shape:
        return f"the output has the shape {tuple(found.shape)}, the input {tuple(x.shape)}."
    if not torch.isfinite(found).all():
        return "a feature without spread gives no number: add eps to the variance, under the root."
    biased, m = x.var(0, correction=0), len(x)
    by_m_less_1 = (x - x.mean(0)) / torch.sqrt(biased * m / (m - 1) + 1e-5) * gamma + beta
    meanings = (
        (_torchs(x, gamma, beta), None),
        (
            _torchs(x, torch.ones(3), torch.zeros(3)),
            "gamma and beta are missing, all else is right.",
        ),
        (
            by_m_less_1,
            "x.var(dim=0) divides by m - 1; x.var(dim=0, correction=0) is the biased one.",
        ),
    )
    other = "it differs from torch's layer. Mean and variance of each column, then the formula?"
    return next((hint for output, hint in meanings if torch.allclose(found, output)), other)


def _torchs(x: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
    """Normalise x (batch, features) by torch's own function, in train mode."""
    return functional.batch_norm(x, None, None, gamma.to(x), beta.to(x), training=True, eps=1e-5)


def _eps(answer: float) -> Hint:
    right = _close(answer, (1 / 11) ** 0.5, 0.005)
    return None if right else "variance / (variance + eps) is the output's variance; take the root."


def _feature_maps(axes: Sequence[int], count: int) -> Hint:
    if set(axes) != {0, 2, 3}:
        return "one mean per channel: which axes of (batch, channels, height, width) go away?"
    right = count == 32 * 32 * 32
    return None if right else "each channel has every pixel of every image of the batch."


def _running(means: Any, variances: Any) -> Hint:
    if _close(means, [5.4, 18]):
        return "in torch momentum is the weight of the new batch, 0.1; the old average keeps 0.9."
    if not _close(means, [0.6, 2]):
        return "the running mean is 0.9 * 0 + 0.1 * (the batch's mean)."
    if _close(variances, [2.7, 12.9]):
        return "the running variance takes the unbiased variance: divided by m - 1, here 4."
    if _close(variances, [2.25, 15]):
        return "the running variance starts at 1, not at 0."
    right = _close(variances, [3.15, 15.9])
    return None if right else "0.9 * 1 + 0.1 * (the batch's unbiased variance)."


def _evaluation(answer: float) -> Hint:
    if _close(answer, -6 / 18**0.5):
        return "that is train mode, with the batch's own mean and variance."
    right = _close(answer, -0.6 / 3.15**0.5)
    return None if right else "(value - running mean) / sqrt(running variance + eps)."


def _momentum(answer: int) -> Hint:
    return None if answer == 44 else "what is left of the start after k batches is 0.9 ** k."


def _scale(outputs: str, gradients: str) -> Hint:
    if outputs != "the same":
        return "ten times the weights, ten times the mean, ten times the standard deviation ..."
    if gradients != "a tenth":
        return (
            "the loss is the same although the weight is ten times as long: how steep is it there?"
        )
    return None


def _interval(function: Callable[..., Any]) -> Hint:
    values = np.array([6.7, 3.4, 7.0, 3.4, 2.9, 3.7])
    found = function(values)
    if found is None or found is ...:
        return UNANSWERED
    n, mean = len(values), values.mean()
    if _close(found, stats.t.interval(0.95, n - 1, mean, stats.sem(values))):
        return None
    if _close(found, stats.norm.interval(0.95, mean, stats.sem(values))):
        return "1.96 is for many values. With few, take stats.t.ppf(0.975, n - 1)."
    if _close(found, stats.t.interval(0.95, n - 1, mean, stats.sem(values, ddof=0))):
        return "the sample's standard deviation divides by n - 1: ddof=1."
    return "mean - half and mean + half, where half is t times the standard deviation over sqrt(n)."


_CHECKS: dict[str, Callable[..., Hint]] = {
    "means": _means, "variances": _variances, "batch_norm": _batch_norm, "eps": _eps,
    "feature_maps": _feature_maps, "running": _running, "evaluation": _evaluation,
    "momentum": _momentum, "scale": _scale, "interval": _interval,
}  # fmt: skip
