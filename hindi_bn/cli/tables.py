"""Tables for the terminal, from the documents that the commands also print as JSON."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table


def table_of(rows: list[dict[str, Any]], title: str, headings: dict[str, str]) -> Table:
    """Return a table of the given keys of each row.

    Parameters
    ----------
    headings
        Key of a row -> heading of its column, in order.
    """
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for key, heading in headings.items():
        numeric = any(isinstance(row.get(key), int | float) for row in rows)
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=numeric)
    for row in rows:
        table.add_row(*(_text(row.get(key)) for key in headings))
    return table


def prediction_table(answers: list[dict[str, Any]]) -> Table:
    """Return a table with a row an image: digit, its probability, and the next best two."""
    rows = []
    for answer in answers:
        ranked = sorted(enumerate(answer["probabilities"]), key=lambda pair: -pair[1])
        others = ", ".join(f"{digit} ({share:.1%})" for digit, share in ranked[1:3])
        rows.append(
            {
                "image": answer["image"],
                "digit": f"{answer['digit']}",
                "probability": f"{answer['probability']:.1%}",
                "others": others,
            }
        )
    first = answers[0]
    return table_of(
        rows,
        f"Run {first['run']}, trained on: {first['trained_on']}",
        {"image": "image", "digit": "digit", "probability": "probability", "others": "then"},
    )


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)
