"""The article's three findings with what was measured beside them, for any runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from hindi_bn.article.facts import FINDINGS, PublishedFinding
from hindi_bn.stats.metrics import LAST_CHANGES, check_histories
from hindi_bn.stats.paths import mean_turning_angle, scaled_to_range, tortuosity
from hindi_bn.study.words import arms_in_words, counted

ACCURACY, LOSS, DESCENT = FINDINGS
_WITHOUT_NORM = ("no-bn", "none")


@dataclass(frozen=True)
class MeasuredFinding(PublishedFinding):
    """A finding of the article and what our runs give.

    Args:
        statement: Empty where the runs are of another study.
        measured: Metrics by run (findings 1 and 3), or by compared run (finding 2); None where the
            history is too short for one.
        sentences: What was measured, in words, runs too; no verdict.
        method: How it was measured.
    """

    measured: dict[str, dict[str, Any]]
    sentences: list[str]
    method: str


def findings(
    histories: Mapping[str, pd.DataFrame], *, of_article: bool = True
) -> list[MeasuredFinding]:
    """Measure the article's three findings on histories by run, in study order.

    Runs of different lengths are compared over the epochs that all have. Of another study than the
    article's only what was measured is given, without the article's statements. One run per network
    proves little about networks; see `method` of each.
    """
    check_histories(histories)
    common = min(map(len, histories.values()))
    cut = {run: history.iloc[:common] for run, history in histories.items()}
    unequal = len({*map(len, histories.values())}) > 1
    end = counted(common, "epoch") if unequal else "the last epoch"
    measured = [_accuracy(cut, end), _loss(cut), _smoothness(cut)]
    if unequal:
        words = arms_in_words(histories)
        lengths = ", ".join(f"{words[run]} {len(history)}" for run, history in histories.items())
        note = f"The runs have different numbers of epochs ({lengths}): here all are compared "
        measured[0].sentences.insert(0, f"{note}after {counted(common, 'epoch')}.")
    if of_article:
        return measured
    plain = [replace(each, statement="") for each in measured]
    return plain if measured[2].measured else plain[:2]


def baseline(runs: Sequence[str]) -> str:
    """Return the run that the others are compared with: without normalisation, else the first."""
    return next((run for run in runs if run in _WITHOUT_NORM), runs[0])


def _accuracy(histories: Mapping[str, pd.DataFrame], end: str) -> MeasuredFinding:
    measured = {run: steadiness(history) for run, history in histories.items()}
    words, plain = _at_start(histories), arms_in_words(histories)
    sentences = [_accuracy_sentence(words[run], values, end) for run, values in measured.items()]
    first = baseline(list(histories))
    for run in histories:
        if run != first:
            gap = measured[run]["final_test_accuracy"] - measured[first]["final_test_accuracy"]
            side = "below" if gap < 0 else "above"
            away = f"{100 * abs(gap):.2f} percentage points {side} {plain[first]}"
            sentences.append(f"{words[run]}: ends {away}.")
    method = (
        "One run each. A fall is an epoch with a lower test accuracy than the epoch before. The "
        f"deviation is the sample standard deviation of the changes into the last {LAST_CHANGES} "
        "epochs, or into all but the first when there are fewer."
    )
    return MeasuredFinding(**vars(ACCURACY), measured=measured, sentences=sentences, method=method)


def steadiness(history: pd.DataFrame) -> dict[str, Any]:
    """Measure how steadily the test accuracy, a share, climbs.

    `falls` are among `changes` from epoch to epoch; `change_deviation` is the sample standard
    deviation of the last `deviation_changes` changes (None below two).
    """
    accuracy = history["test_accuracy"].to_numpy(dtype=float)
    changes = np.diff(accuracy)
    last = changes[-LAST_CHANGES:]
    return {
        "final_test_accuracy": float(accuracy[-1]),
        "falls": int((changes < 0).sum()), "changes": len(changes),
        "change_deviation": float(last.std(ddof=1)) if len(last) > 1 else None,
        "deviation_changes": len(last),
        "lowest_of_last_ten": float(accuracy[-10:].min()),
        "highest_of_last_ten": float(accuracy[-10:].max()),
    }  # fmt: skip


def _at_start(runs: Iterable[str]) -> dict[str, str]:
    """Write runs as they begin a sentence; what has no words of ours stays as it is typed."""
    return {r: words if words == r else words[0].upper() + words[1:]
            for r, words in arms_in_words(runs).items()}  # fmt: skip


def _accuracy_sentence(run: str, values: Mapping[str, Any], end: str) -> str:
    epochs = values["changes"] + 1
    text = f"{run}: {100 * values['final_test_accuracy']:.2f} % after {end}"
    if epochs == 1:
        return f"{text}."
    if epochs > 2:  # noqa: PLR2004
        text += f"; it falls in {values['falls']} of {values['changes']} epoch-to-epoch changes"
    if values["change_deviation"] is not None:
        text += (
            f"; the last {values['deviation_changes']} changes have a standard deviation of "
            f"{100 * values['change_deviation']:.2f} points"
        )
    low, high = values["lowest_of_last_ten"], values["highest_of_last_ten"]
    return (
        f"{text}; range of the last {min(epochs, 10)} epochs {100 * low:.2f} to {100 * high:.2f} %."
    )


def _loss(histories: Mapping[str, pd.DataFrame]) -> MeasuredFinding:
    first = baseline(list(histories))
    measured: dict[str, dict[str, Any]] = {}
    for run, history in histories.items():
        if run != first:
            epoch = stays_below(history, histories[first])
            common = min(len(history), len(histories[first]))
            measured[run] = {"compared_with": first, "below_from_epoch": epoch, "epochs": common}
    words = arms_in_words(histories)
    sentences = [_loss_sentence(words[r], words[first], v) for r, v in measured.items()]
    sentences = sentences or ["There is one run only: no training loss to compare it with."]
    method = (
        "The first epoch, counted from 0, from which the training loss (mean over the epoch's "
        "batches, train mode) is below that of the other run in every epoch that both have."
    )
    return MeasuredFinding(**vars(LOSS), measured=measured, sentences=sentences, method=method)


def stays_below(history: pd.DataFrame, other: pd.DataFrame) -> int | None:
    """Return the first epoch from which `history`'s train loss stays below `other`'s.

    Only the epochs that both have are looked at; None when it is not below at the last of them.
    """
    common = min(len(history), len(other))
    ours, theirs = (h["train_loss"].to_numpy(dtype=float)[:common] for h in (history, other))
    not_below = np.flatnonzero(~(ours < theirs))
    first = int(not_below[-1]) + 1 if not_below.size else 0
    return first if first < common else None


def _loss_sentence(run: str, other: str, values: Mapping[str, Any]) -> str:
    epochs, start = values["epochs"], values["below_from_epoch"]
    if epochs == 1:
        side = "not below" if start is None else "below"
        return f"Training loss: {run} is {side} {other} in the only epoch."
    if start is None:
        return f"Training loss: {run} is not below {other} at epoch {epochs - 1}."
    return (
        f"Training loss: {run} is below {other} from epoch {start} (counted from 0) "
        f"to epoch {epochs - 1}, the last that both have."
    )


def _smoothness(histories: Mapping[str, pd.DataFrame]) -> MeasuredFinding:
    measured = {run: smoothness(h) for run, h in histories.items() if "wx" in h}
    words = _at_start(histories)
    sentences = [_smoothness_sentence(words[run], values) for run, values in measured.items()]
    others = [words[run] for run in histories if run not in measured]
    sentences += [f"{run}: no pair of weights was recorded." for run in others]
    method = (
        "The path has a point per epoch; every axis is scaled to its own range. Turning angle: "
        "mean over successive steps, 0 is straight on, 180 is back. Tortuosity: length of the path "
        "over the distance between its ends, 1 is straight. One pair of weights of one run each. A "
        "weight that moves by few steps of float32 is a staircase whatever the network does."
    )
    return MeasuredFinding(**vars(DESCENT), measured=measured, sentences=sentences, method=method)


def smoothness(history: pd.DataFrame) -> dict[str, Any]:
    """Measure how smooth the path of the two sample weights is, every axis scaled to its range.

    Returns:
        `turning_angle` (mean, degrees) and `tortuosity` of the path (wx, wy, train loss), figure 8
        of the article; `projected_turning_angle` and `projected_tortuosity` of (wx, wy); for either
        weight `…_range` and `…_float32_steps`, that range in float32's spacing at the weight. None
        where the path is too short.
    """
    path = history[["wx", "wy", "train_loss"]].to_numpy(dtype=float)
    full, projected = scaled_to_range(path), scaled_to_range(path[:, :2])
    values: dict[str, Any] = {
        "turning_angle": mean_turning_angle(full),
        "tortuosity": tortuosity(full),
        "projected_turning_angle": mean_turning_angle(projected),
        "projected_tortuosity": tortuosity(projected),
    }
    for axis, name in enumerate(("wx", "wy")):
        weight = path[:, axis]
        spacing = float(np.spacing(np.float32(np.abs(weight).max())))
        values[f"{name}_range"] = float(np.ptp(weight))
        values[f"{name}_float32_steps"] = round(float(np.ptp(weight)) / spacing)
    return values


def _smoothness_sentence(run: str, values: Mapping[str, Any]) -> str:
    if values["turning_angle"] is None or values["tortuosity"] is None:
        return f"{run}: the path is too short to measure."
    text = (
        f"{run}: the path of (wx, wy, training loss) turns by {values['turning_angle']:.1f} "
        f"degrees per epoch on average, tortuosity {values['tortuosity']:.2f}"
    )
    if values["projected_turning_angle"] is not None and values["projected_tortuosity"] is not None:
        text += (
            f"; of (wx, wy) alone by {values['projected_turning_angle']:.1f} degrees, tortuosity "
            f"{values['projected_tortuosity']:.2f}"
        )
    return text + (
        f"; wx ranges over {values['wx_range']:.1e} ({values['wx_float32_steps']} float32 steps), "
        f"wy over {values['wy_range']:.1e} ({values['wy_float32_steps']})."
    )
