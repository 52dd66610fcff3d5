"""What `hindi-bn claims` prints: the list, a claim explained, and the verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hindi_bn.cli.tables import table_of

if TYPE_CHECKING:
    from hindi_bn.claims.claim import Claim, ClaimSweep
    from hindi_bn.claims.results import ClaimResult

INDENT = (0, 0, 0, 2)


def claims_table(claims: Sequence[Claim], found: Mapping[int, ClaimResult]) -> Table:
    """Return the list of claims, with the verdicts that there are."""
    rows = []
    for claim in claims:
        result = found.get(claim.id)
        rows.append(
            {
                "id": claim.id,
                "name": claim.name,
                "title": claim.title,
                "verdict": result.verdict if result else "not tested",
                "n": result.n if result else "",
                "scale": result.scale if result else "",
            }
        )
    columns = {
        "id": ("", "d"), "name": ("name", ""), "title": ("claim", ""), "verdict": ("verdict", ""),
        "n": ("n", ""), "scale": ("scale", ""),
    }  # fmt: skip
    return table_of(rows, "Claims about batch norm", columns)


def verdicts_table(results: Sequence[ClaimResult]) -> Table:
    """Return the verdicts, each with the effect of the test that it hangs on."""
    from hindi_bn.claims.report import decisive, effect_text

    rows: list[dict[str, Any]] = []
    for result in results:
        effect = decisive(result)
        rows.append(
            {
                "id": result.id,
                "title": result.title,
                "verdict": result.verdict,
                "effect": f"{effect_text(effect)}: {effect.label}",
                "n": effect.n,
            }
        )
    columns = {
        "id": ("", "d"), "title": ("claim", ""), "verdict": ("verdict", ""),
        "effect": ("effect [95 % interval]", ""), "n": ("n", "d"),
    }  # fmt: skip
    table = table_of(rows, "Verdicts", columns)
    for column in (table.columns[0], table.columns[2], table.columns[4]):
        column.no_wrap = True
    return table


def claim_text(claim: Claim, result: ClaimResult | None) -> list[Any]:
    """Return a claim explained, as parts to print."""
    from hindi_bn.claims.numbers import p_said
    from hindi_bn.claims.report import RULE

    parts: list[Any] = [
        Text(f"Claim {claim.id} ({claim.name}): {claim.title}", style="bold"),
        *_paragraph("Claim", claim.statement),
        *_paragraph("Source", claim.source),
        *_paragraph("Test", claim.method),
        *(line for sweep in claim.sweeps for line in _paragraph("Runs", _runs_text(sweep))),
        Text("Rule", style="bold"),
        *(
            Padding(Text(f"{test.label}: {test.region}"), INDENT)
            for test in claim.tests
        ),
        Padding(Text(RULE.replace("*", "")), INDENT),
    ]  # fmt: skip
    if result is None:
        how = f"Not tested yet: hindi-bn claims run {claim.id}"
        return [*parts, *_paragraph("Result", how)]
    corrected = p_said(result.p_corrected)
    said = f"{result.verdict} at n = {result.n} ({result.scale} scale; {corrected}, corrected)."
    parts += _paragraph("Result", said)
    parts.append(_effects(result))
    return parts + [Padding(Text(finding), INDENT) for finding in result.findings]


def _paragraph(name: str, text: str) -> list[Any]:
    return [Text(name, style="bold"), Padding(Text(text.strip()), INDENT)]


def _runs_text(sweep: ClaimSweep) -> str:
    study = sweep.study if isinstance(sweep.study, str) else sweep.study.get("name", "")
    grid = "; ".join(
        f"{key}: {', '.join(map(_value, values))}" for key, values in sweep.grid.items()
    )
    scales = "; ".join(
        f"{name} {scale.seeds} seeds of {scale.epochs or 'its own'} epochs"
        for name, scale in sweep.scales.items()
    )
    return f"{sweep.name}: study {study}{f'; {grid}' if grid else ''}. {scales}."


def _value(value: Any) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{key} {entry}" for key, entry in value.items() if key != "name")
        return f"{value.get('name', '')} ({inner})"
    return str(value)


def _effects(result: ClaimResult) -> Table:
    from hindi_bn.claims.report import effect_text

    rows = [
        {
            "test": effect.label,
            "effect": effect_text(effect),
            "region": effect.region,
            "verdict": effect.verdict,
            "n": effect.n,
        }
        for effect in result.effects
    ]
    columns = {
        "test": ("test", ""), "effect": ("mean [95 % interval]", ""),
        "region": ("holds where", ""), "verdict": ("by itself", ""), "n": ("n", "d"),
    }  # fmt: skip
    return table_of(rows, "Its tests", columns)
