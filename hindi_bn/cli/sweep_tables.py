"""What `hindi-bn sweep` prints: the plan of a dry run, and a sweep's results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table

from hindi_bn.cli.tables import table_of

if TYPE_CHECKING:
    from hindi_bn.sweeps.estimate import Estimate

OUTCOME = "final_test_accuracy"


def plan_document(found: Estimate) -> dict[str, Any]:
    """Return a dry run's findings for JSON."""
    return asdict(found)


def plan_tables(found: Estimate, duration: str) -> list[Table | str]:
    """Return what a dry run prints: the arms, and the estimated time."""
    rows = [
        {
            "arm": arm.arm,
            "seeds": _seeds(arm.seeds),
            "done": arm.done,
            "todo": arm.runs - arm.done,
            "epoch": arm.seconds_per_epoch,
            "refused": arm.refused,
        }
        for arm in found.arms
    ]
    columns = {
        "arm": ("arm", ""),
        "seeds": ("seeds", ""),
        "done": ("done", "d"),
        "todo": ("to do", "d"),
        "epoch": ("s an epoch", ".2f"),
    }
    if any(row["refused"] for row in rows):
        columns["refused"] = ("cannot be trained", "")
    table = table_of(rows, "What would be trained", columns)
    if not found.todo:
        return [table, "Nothing is left to train."]
    workers = "1 run at a time" if found.workers == 1 else f"{found.workers} runs side by side"
    text = (
        f"{found.todo} runs to train, {found.epochs_left} epochs: about {duration} with {workers}. "
        "This is an estimate from a few measured steps of each network; nothing was written."
    )
    return [table, text]


def _seeds(seeds: Sequence[int]) -> str:
    """Write seeds, a range when they count up."""
    if len(seeds) > 1 and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def result_tables(document: dict[str, Any]) -> list[Table | str]:
    """Return what a sweep prints: final test accuracy by arm, and differences from the first arm.

    Parameters
    ----------
    document
        As `hindi_bn.sweeps.output.write_sweep` returns it.
    """
    title = f"Final test accuracy, per cent, on: {'; '.join(document['data'])}"
    summary = [_percent(row) for row in document["summary"] if row["outcome"] == OUTCOME]
    parts: list[Table | str] = [
        table_of(
            summary,
            title,
            {
                "arm": ("arm", ""),
                "n": ("n", "d"),
                "mean": ("mean", ".2f"),
                "deviation": ("dev.", ".2f"),
                "low": ("low", ".2f"),
                "high": ("high", ".2f"),
                "method": ("interval", ""),
            },
        )
    ]
    paired = [_percent(row) for row in document["paired"] if row["outcome"] == OUTCOME]
    if paired:
        parts.append(
            table_of(
                paired,
                f"Points above {paired[0]['baseline']}, paired by seed",
                {
                    "arm": ("arm", ""),
                    "n": ("n", "d"),
                    "mean_difference": ("mean", "+.2f"),
                    "low": ("low", "+.2f"),
                    "high": ("high", "+.2f"),
                    "p": ("p", ".4f"),
                    "p_holm": ("p (Holm)", ".4f"),
                    "test": ("test", ""),
                },
            )
        )
    diverged = [end for end in document["bad_ends"] if end["status"] == "diverged"]
    if diverged:
        parts.append(
            f"{len(diverged)} runs diverged and count as guessing (10 %): "
            + "; ".join(f"{end['arm']}, seed {end['seed']}" for end in diverged)
        )
    return parts


def _percent(row: dict[str, Any]) -> dict[str, Any]:
    shares = ("mean", "deviation", "low", "high", "mean_difference")
    return {
        key: value * 100 if key in shares and value is not None else value
        for key, value in row.items()
    }
