"""The claims as text: the ledger, and a page of two minutes per claim for a student."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from hindi_bn.article.markdown import table
from hindi_bn.claims.numbers import number, p_equation, p_text
from hindi_bn.claims.results import ClaimResult
from hindi_bn.claims.verdict import FEWEST, LEVEL, Effect
from hindi_bn.study.words import counted

EFFECT = "effect [interval at the verdict's corrected level], of the test it hangs on"

RULE = (
    "A test holds where the mean effect over the seeds lies in its region, given in the claim's "
    "file. *Supported*: all of a claim's tests are shown to hold. *Opposite found*: one is shown "
    "not to, by an effect beyond the margin the other way, and none of the others holds. *Not as "
    "stated*: one is shown not to hold otherwise. *Undecided*: neither, at this number of seeds. "
    f"*Pilot*: fewer than {FEWEST} seeds, no verdict; *pilot:* a verdict of the seeds that the "
    "number of seeds was found by. Shown means that the t-test and the sign-flip test against the "
    f"ends of the region both have p at most {LEVEL:g} (two-sided), corrected by Holm's method "
    "over a fixed family of claims. A doubling is a factor of two."
)


def effect_text(effect: Effect, *, corrected: bool = False) -> str:
    """Write an effect with its unit and its interval, 95 % or at the level of the verdict."""
    unit = f" {effect.unit}" if effect.unit else ""
    low, high = effect.low, effect.high
    if corrected:
        low, high = effect.corrected_low, effect.corrected_high
    return f"{number(effect.mean)}{f' {interval_text(low, high)}' * isfinite(low)}{unit}"


def interval_text(low: float, high: float) -> str:
    """Write an interval; a dash where there is none, below n = 4."""
    return f"[{number(low)}, {number(high)}]" if isfinite(low) else "–"


def decisive(result: ClaimResult) -> Effect:
    """Return the test that a claim's verdict hangs on: the one that fails worst, or holds least.

    By the distance of its mean from the end of its region, in standard errors.
    """
    opposite = [effect for effect in result.effects if effect.verdict == "opposite found"]
    chosen = opposite if result.verdict == "opposite found" else result.effects
    return min(chosen, key=lambda effect: effect.inside)


def ledger(results: Sequence[ClaimResult], link: str = "") -> str:
    """Write the ledger as a Markdown table: a row per claim, with the interval of its verdict.

    `link` is the page that holds the claims' sections, if the titles are to be links.
    """
    rows = []
    for result in results:
        effect = decisive(result)
        title = f"[{result.title}]({link}#{anchor(result)})" if link else result.title
        label = f"{effect.label[:1].lower()}{effect.label[1:]}"
        row = {"": result.id, "claim": title, "source": result.source}
        row |= {"verdict": f"**{result.in_words}**"}
        row |= {EFFECT: f"{effect_text(effect, corrected=True)}: {label}"}
        rows.append(row | {"n": str(effect.n), "epochs": result.epochs})
    return _table(rows)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write rows as a table; their keys are the headings."""
    return table(rows, [(heading, heading, str) for heading in rows[0]])


def anchor(result: ClaimResult) -> str:
    """Return the anchor that GitHub gives a claim's heading."""
    text = heading(result).lower()
    kept = "".join(c for c in text if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def heading(result: ClaimResult) -> str:
    """Write a claim's heading."""
    return f"Claim {result.id}: {result.title}"


def document(results: Sequence[ClaimResult], figures: str = "figures") -> str:
    """Write `claims.md`: the ledger, the rule, and a section per claim.

    `figures` is the folder of the figures, as seen from the document.
    """
    parts = [
        "# Claims about batch norm, and what became of them",
        f"Made by `hindi-bn claims run`. Data: {'; '.join(sorted({r.data for r in results}))}.",
        ledger(results),
        RULE,
        *(section(result, figures) for result in results),
    ]
    return "\n\n".join(parts) + "\n"


def section(result: ClaimResult, figures: str = "figures") -> str:
    """Write a claim's section: the claim, its source, the test, the result, the figure."""
    corrected = p_equation(result.p_corrected)
    parts = [
        f"## {heading(result)}",
        f"**{sentence(result.with_n)}** ({corrected}, corrected).",
        f"*Source.* {result.source}" + (f": {result.says}" if result.says else ""),
        f"*Claim.* {result.statement}",
        f"*Test.* {result.method}",
        _effects_table(result),
    ]
    if result.findings:
        parts.append("Besides:\n\n" + "\n".join(f"- {finding}" for finding in result.findings))
    figure = f"![{heading(result)}]({figures}/{result.slug}.png)"
    return "\n\n".join([*parts, _trained(result), figure])


def sentence(text: str) -> str:
    """Return a text with a capital letter."""
    return text[:1].upper() + text[1:]


def _effects_table(result: ClaimResult) -> str:
    return _table(
        [
            {
                "test": effect.label,
                "mean [95 % interval]": effect_text(effect),
                "at the verdict's level": interval_text(
                    effect.corrected_low, effect.corrected_high
                ),
                "holds where it is": effect.region,
                "by itself": effect.verdict,
                "n": str(effect.n) + (f" ({effect.left_out} without)" if effect.left_out else ""),
                "mean / std": number(effect.effect_size),
                "p of no effect (t)": p_text(effect.p_t),
                "p of no effect (signs flipped)": f"{p_text(effect.p_zero)} ({effect.zero_test})",
            }
            for effect in result.effects
        ]
    )


def _trained(result: ClaimResult) -> str:
    sizes = "; ".join(
        f"{name}: "
        + ", ".join(counted(size[f"{what}s"], what) for what in ("arm", "seed", "epoch"))
        for name, size in result.sizes.items()
    )
    runs = ", ".join(f"{count} {status}" for status, count in result.runs.items())
    here, unknown = result.rules.get(result.rule, 0), result.rules.get("", 0)
    other = sum(result.rules.values()) - here - unknown
    rules = f"Trained under this rule: {here}, under another one: {other}, not recorded: {unknown}."
    return f"Runs ({result.stage}): {sizes}; {runs}. {rules}"
