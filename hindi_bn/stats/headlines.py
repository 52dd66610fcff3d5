"""Results in a sentence, for the titles of figures; from tables that were computed elsewhere."""

from collections.abc import Mapping

from hindi_bn.stats.metrics import Metric
from hindi_bn.study.words import arms_in_words

_FEW = 3  # values that a sentence holds


def headline(metric: Metric, values: Mapping[str, float], when: str = "") -> str:
    """Say how a metric differs between arms; `values` are in the table's unit, NaN for none.

    Examples:
        >>> from hindi_bn.stats.metrics import metric_named
        >>> accuracy, loss = metric_named("test_accuracy"), metric_named("train_loss")
        >>> headline(accuracy, {"no-bn": 0.924, "bn": 0.991}, "after 30 epochs")
        'With BN 6.7 points more accurate after 30 epochs'
        >>> headline(loss, {"no-bn": 0.143, "bn": 0.0178}, "after 30 epochs")
        'Training loss after 30 epochs: 0.143 without BN, 0.0178 with BN'
    """
    known = {arm: metric.factor * value for arm, value in values.items() if value == value}  # noqa: PLR0124
    words = arms_in_words(values)
    by_words = {words[arm]: value for arm, value in known.items()}
    accuracy = metric.unit == "%" and "accuracy" in metric.label
    if accuracy and set(by_words) == {"with BN", "without BN"}:
        gap = by_words["with BN"] - by_words["without BN"]
        more = "more" if gap >= 0 else "less"
        return f"With BN {abs(gap):.1f} points {more} accurate {when}".rstrip()
    about = f"{metric.label} {when}".rstrip()
    if not known:
        return about
    unit = " %" if metric.unit == "%" else ""
    if len(known) > _FEW:
        best = max(by_words, key=lambda arm: by_words[arm])
        worst = min(by_words, key=lambda arm: by_words[arm])
        by_words = {f"{best} (highest)": by_words[best], f"{worst} (lowest)": by_words[worst]}
    each = ", ".join(f"{_short(value, unit)} {arm}" for arm, value in by_words.items())
    return f"{about}: {each}"


def _short(value: float, unit: str) -> str:
    return f"{value:.1f}{unit}" if unit else f"{value:.3g}"
