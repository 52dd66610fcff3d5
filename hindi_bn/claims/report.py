"""The claims as text: the ledger, and a page of two minutes per claim for a student."""

from collections.abc import Mapping, Sequence
from typing import Any

from hindi_bn.article.markdown import table
from hindi_bn.claims.numbers import number, p_equation, p_text
from hindi_bn.claims.results import ClaimResult
from hindi_bn.claims.verdict import LEVEL, Effect

RULE = (
    "A test holds where the mean effect over the seeds lies in its region, fixed in the claim's "
    "file. *Supported*: all of a claim's tests are shown to hold; *contradicted*: one is shown not "
    "to; *undecided*: neither, at this number of seeds. Shown means p at most "
    f"{LEVEL:g} by one-sample t-tests against the ends of the region (two-sided: 0.05 is where the "
    "95 % interval touches an end), corrected over all claims in this document by Holm's method. "
    "Intervals are Student's, uncorrected."
)


def effect_text(effect: Effect) -> str:
    """Write an effect with its interval and unit."""
    unit = f" {effect.unit}" if effect.unit else ""
    return f"{number(effect.mean)} [{number(effect.low)}, {number(effect.high)}]{unit}"


def decisive(result: ClaimResult) -> Effect:
    """Return the test that a claim's verdict hangs on: the one that fails most, or holds least."""
    if result.verdict == "contradicted":
        return min(result.effects, key=lambda effect: effect.p_fails)
    return max(result.effects, key=lambda effect: effect.p_holds)


def ledger(results: Sequence[ClaimResult], link: str = "") -> str:
    """Write the ledger as a Markdown table: claim, verdict, effect with interval, n.

    `link` is the page that holds the claims' sections, if the titles are to be links.
    """
    rows = []
    for result in results:
        effect = decisive(result)
        title = f"[{result.title}]({link}#{anchor(result)})" if link else result.title
        found = f"{effect_text(effect)}: {effect.label[:1].lower()}{effect.label[1:]}"
        row = {"": result.id, "claim": title, "verdict": f"**{result.verdict}**"}
        row |= {"effect [95 % interval], of the test it hangs on": found, "n": str(effect.n)}
        rows.append(row | {"scale": result.scale})
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
        f"**{result.verdict.capitalize()}** at n = {result.n} ({corrected}, corrected).",
        f"*Claim.* {result.statement}",
        f"*Source.* {result.source}",
        f"*Test.* {result.method}",
        _effects_table(result),
    ]
    if result.findings:
        parts.append("Besides:\n\n" + "\n".join(f"- {finding}" for finding in result.findings))
    figure = f"![{heading(result)}]({figures}/{result.slug}.png)"
    return "\n\n".join([*parts, _trained(result), figure])


def _effects_table(result: ClaimResult) -> str:
    return _table(
        [
            {
                "test": effect.label,
                "mean [95 % interval]": effect_text(effect),
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
        f"{name}: {size['arms']} arms, {size['seeds']} seeds, {size['epochs']} epochs"
        for name, size in result.sizes.items()
    )
    runs = ", ".join(f"{count} {status}" for status, count in result.runs.items())
    return f"Trained ({result.scale} scale): {sizes}. Runs: {runs}."
