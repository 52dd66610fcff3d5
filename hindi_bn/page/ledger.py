"""What of the claims goes aboard: each one's verdict, tests and rule, and other analyses of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from hindi_bn.claims.drawing import margins
from hindi_bn.claims.multiverse import CHOICES, FILE, SHOWN
from hindi_bn.claims.report import RULE, decisive
from hindi_bn.claims.results import ClaimResult, read_results
from hindi_bn.claims.verdict import Effect
from hindi_bn.errors import ClaimsError
from hindi_bn.figures.claims import VERDICTS
from hindi_bn.files import plain_json, refused

DIGITS = 3  # as the page shows them: what is rounded once more may differ from the ledger
NUMBERS = ("effect", "low", "high")


def ledger(folder: Path) -> dict[str, Any] | None:
    """Return the claims that have a result in a folder; None where there are none.

    `claims` in the order of their numbers; `choices`, and each claim's `analyses`, rows of places
    in `choices`, then effect, low, high and n, where the multiverse has been computed. ClaimsError
    for a file that cannot be read.
    """
    results = read_results(folder)
    if not results:
        return None
    choices, analyses = _multiverse(folder / f"{FILE}.csv")
    return dict(plain_json({
        "rule": RULE.replace("*", ""),
        "verdicts": {name: look.colour for name, look in VERDICTS.items()},
        "choices": choices,
        "claims": [_claim(each) | {"analyses": analyses.get(each.id, [])} for each in results],
    }))  # fmt: skip


def _claim(result: ClaimResult) -> dict[str, Any]:
    effect = decisive(result)
    return {
        "id": result.id, "title": result.title, "says": result.says, "source": result.source,
        "statement": result.statement, "method": result.method, "data": result.data,
        "verdict": result.verdict, "words": result.in_words, "epochs": result.epochs,
        "runs": sum(result.runs.values()), "confirmed": result.stage == "confirm",
        "rule": result.rule, "p": rounded(result.p_corrected, 2), "level": rounded(result.level, 2),
        "margins": margins(effect)._asdict(),
        "decisive": result.effects.index(effect), "tests": [_test(each) for each in result.effects],
    }  # fmt: skip


def _test(effect: Effect) -> dict[str, Any]:
    return {
        "label": effect.label, "region": effect.region, "unit": effect.unit,
        "effect": rounded(effect.mean), "low": rounded(effect.corrected_low),
        "high": rounded(effect.corrected_high), "n": effect.n, "seeds": _spans(effect.seeds),
    }  # fmt: skip


def _spans(seeds: Sequence[int]) -> str:
    """Write whole numbers as ranges, such as 5842 to 5851, 6001."""
    spans: list[list[int]] = []
    for seed in sorted(seeds):
        if spans and seed == spans[-1][-1] + 1:
            spans[-1][1:] = [seed]
        else:
            spans.append([seed])
    return ", ".join(" to ".join(map(str, span)) for span in spans)


def _multiverse(file: Path) -> tuple[dict[str, list[str]], dict[int, list[list[float]]]]:
    """Read the specifications: the values of each choice and of `verdict`, and rows by claim."""
    if not file.exists():
        return {}, {}
    anew = "delete it; `hindi-bn claims multiverse` writes it again"
    with refused(f"{file} cannot be read.", anew, ClaimsError):
        table = pd.read_csv(file, keep_default_na=False, na_values={key: [""] for key in NUMBERS})
        choices = {name: [str(each) for each in table[name].unique()] for name in CHOICES}
        choices["verdict"] = list(SHOWN)
        rows: dict[int, list[list[float]]] = {}
        for row in table.to_dict("records"):
            places: list[float] = [names.index(str(row[key])) for key, names in choices.items()]
            numbers = [rounded(float(row[key])) for key in NUMBERS]
            rows.setdefault(int(row["id"]), []).append([*places, *numbers, int(row["n"])])
    return choices, rows


def rounded(value: float, digits: int = DIGITS) -> float:
    """Return a number with as many digits as are aboard."""
    return float(f"{value:.{digits}g}")
