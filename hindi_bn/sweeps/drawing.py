"""The figures of a sweep, from the tables that are written beside them."""

import pandas as pd
from matplotlib.figure import Figure

from hindi_bn.figures.over_seeds import levels
from hindi_bn.figures.style import Caption, compose
from hindi_bn.figures.sweeps import curves_part, heat_figure, paired_part, strip_part
from hindi_bn.stats.headlines import headline
from hindi_bn.stats.metrics import metric_named
from hindi_bn.stats.tables import epoch_values, paired_values, summary_by, values_of
from hindi_bn.study.words import counted
from hindi_bn.sweeps.run import SweepResult

DRAWN = "final_test_accuracy"
_MOST_FACETS = 6


def sweep_figures(
    result: SweepResult, summary: pd.DataFrame, paired: pd.DataFrame, caption: Caption
) -> dict[str, Figure]:
    """Draw what a sweep's tables allow; `summary_table` and `paired_table` are among them.

    Returns figures by file name without a suffix: `curves-test-accuracy` and `curves-train-loss`
    once there are epochs, `final-accuracy` once there is a run with a result, `paired` (differences
    from the first arm) once two arms share a seed, and `heat-map` when two keys vary, or three of
    which the one with the fewest values, at most six, has a panel per value.
    """
    figures: dict[str, Figure] = {}
    runs, epochs = result.runs, result.epochs
    for name in ("test_accuracy", "train_loss"):
        if not epochs.empty and epochs[name].notna().any():
            metric = metric_named(name)
            by_epoch = epoch_values(epochs, name, metric, runs)
            means = summary_by(by_epoch, ["arm", "epoch"], metric.possible)
            last = means.drop_duplicates("arm", keep="last")
            length = f"after {counted(int(last['epoch'].max()) + 1, 'epoch')}"
            title = headline(metric, _by_arm(last), length)
            part = curves_part(by_epoch, means, metric)
            figures[f"curves-{name.replace('_', '-')}"] = compose(title, caption, part)
    if DRAWN not in runs:
        return figures
    metric = metric_named(DRAWN)
    values = values_of(runs, DRAWN, metric)
    if values["value"].isna().all():
        return figures
    means = summary[summary["metric"] == DRAWN]
    part = strip_part(values, means, metric)
    figures["final-accuracy"] = compose(headline(metric, _by_arm(means)), caption, part)
    baseline = str(runs["arm"].iloc[0])
    pairs = paired_values(values, baseline)
    if pairs["value"].notna().any():
        means = paired[paired["metric"] == DRAWN]
        part = paired_part(pairs, means, baseline, metric)
        figures["paired"] = compose(f"{metric.label}, paired by seed", caption, part)
    if keys := _map_keys(runs, result.varied):
        x, y, facet = keys
        means = summary_by(values, [key for key in keys if key], metric.possible)
        figures["heat-map"] = heat_figure(means, x, y, facet, metric, caption)
    return figures


def _by_arm(means: pd.DataFrame) -> dict[str, float]:
    return dict(zip(means["arm"], means["mean"], strict=True))


def _map_keys(runs: pd.DataFrame, varied: list[str]) -> tuple[str, str, str | None] | None:
    """Choose the keys of a map's columns, rows and panels; none when it would not be readable."""
    counts = {key: len(levels(runs[key])) for key in varied}
    keys: list[str] = []
    for key in sorted((key for key in counts if counts[key] > 1), key=lambda key: -counts[key]):
        # One that varies together with another is not an axis of its own.
        if all(len(runs[[other, key]].drop_duplicates()) > counts[other] for other in keys):
            keys.append(key)
    if len(keys) == 2:  # noqa: PLR2004
        return keys[0], keys[1], None
    if len(keys) == 3 and counts[keys[2]] <= _MOST_FACETS:  # noqa: PLR2004
        return keys[0], keys[1], keys[2]
    return None
