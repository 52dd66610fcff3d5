"""The table of a campaign: fault, place, tried, held."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"


@dataclass(frozen=True)
class Outcome:
    """A try that was carried out; `wrong` is empty where what is promised held."""

    fault: str
    place: str
    wrong: str = ""

    def __str__(self) -> str:
        return f"{self.fault} | {self.place} | {self.wrong}"


def rows(outcomes: Sequence[Outcome]) -> list[tuple[str, str, int, int]]:
    """Fault, place, tried and held, in the order of the words; the sums last."""
    tried = Counter((one.fault, one.place) for one in outcomes)
    held = Counter((one.fault, one.place) for one in outcomes if not one.wrong)
    found = [(*key, count, held[key]) for key, count in sorted(tried.items())]
    return [*found, ("all", "", tried.total(), held.total())]


def table(outcomes: Sequence[Outcome]) -> str:
    """The table in Markdown."""
    lines = ["| fault | place | tried | held |", "|---|---|--:|--:|"]
    lines += [f"| {fault} | {place} | {tried:,} | {held:,} |"
              for fault, place, tried, held in rows(outcomes)]  # fmt: skip
    return "\n".join(lines)


def write_json(file: Path, outcomes: Sequence[Outcome], command: str, seconds: float) -> None:
    """Write the rows, and everything that did not hold."""
    names = ("fault", "place", "tried", "held")
    document = {
        "command": command,
        "seconds": round(seconds),
        "rows": [dict(zip(names, row, strict=True)) for row in rows(outcomes)],
        "not held": [asdict(one) for one in outcomes if one.wrong],
    }
    file.write_text(json.dumps(document, indent=1) + "\n")


def into_document(file: Path, text: str, command: str, seconds: float) -> None:
    """Put the table between the two markers of a document."""
    head, _, rest = file.read_text().partition(BEGIN)
    _, marker, tail = rest.partition(END)
    if not marker:
        raise ValueError(f"{file} has not the lines {BEGIN} and {END}")
    told = f"By `{command}`, in {seconds / 60:.0f} minutes."
    file.write_text(f"{head}{BEGIN}\n{told}\n\n{text}\n{END}{tail}")
