"""Tables for the terminal, from the documents that the commands also print as JSON."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table


def table_of(rows: list[dict[str, Any]], title: str, columns: dict[str, tuple[str, str]]) -> Table:
    """Return a table of the given keys of each row.

    Parameters
    ----------
    columns
        Key of a row -> heading and format of its column, in order.
    """
    table = Table(
        title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold",
        padding=(0, 1, 0, 0), pad_edge=False,
    )  # fmt: skip
    for key, (heading, _) in columns.items():
        numeric = any(isinstance(row.get(key), int | float) for row in rows)
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(
            *(
                "" if row[key] is None else format(row[key], spec)
                for key, (_, spec) in columns.items()
            )
        )
    return table


def comparison_tables(document: dict[str, Any]) -> list[Table | str]:
    """Return what a comparison prints: summary, agreement with the article, findings.

    Parameters
    ----------
    document
        As `hindi_bn.article.report.write_comparison` returns it.
    """
    parts: list[Table | str] = [
        table_of(
            document["summary"],
            f"Test accuracy and training loss on: {document['data']}",
            {
                "run": ("run", ""),
                "epochs": ("epochs", "d"),
                "final_test_accuracy": ("final", ".4f"),
                "best_test_accuracy": ("best", ".4f"),
                "best_epoch": ("epoch", "d"),
                "last_five_mean_test_accuracy": ("last 5", ".4f"),
                "final_train_loss": ("loss", ".4f"),
                "seconds": ("seconds", ".0f"),
            },
        )
    ]
    if document["published_compared"]:
        parts.append(_published_table(document["published"]))
        differing = [row for row in document["published"] if row["verdict"] != "agrees"]
        agreeing = len(document["published"]) - len(differing)
        parts.append(
            f"{agreeing} of {len(document['published'])} published numbers agree within the stated "
            "tolerances."
        )
    else:
        parts.append(
            "No published numbers stand beside these runs: their data or settings are not the "
            "article's, and neither are their numbers."
        )
    for finding in document["findings"]:
        parts.append(f"\nFinding {finding['number']} of the article: {finding['statement']}")
        parts += [f"  {sentence}" for sentence in finding["sentences"]]
    return parts


def _published_table(rows: list[dict[str, Any]]) -> Table:
    return table_of(
        rows,
        "Ours against the article's published numbers",
        {
            "run": ("run", ""),
            "epoch": ("epoch", "d"),
            "quantity": ("quantity", ""),
            "published": ("published", ".6f"),
            "ours": ("ours", ".6f"),
            "difference": ("diff.", "+.1e"),
            "tolerance": ("within", ".1e"),
            "verdict": ("verdict", ""),
        },
    )


def prediction_table(answers: list[dict[str, Any]]) -> Table:
    """Return a table with a row an image: digit, its probability, and the next best two."""
    rows = []
    for answer in answers:
        ranked = sorted(enumerate(answer["probabilities"]), key=lambda pair: -pair[1])
        others = ", ".join(f"{digit} ({share:.1%})" for digit, share in ranked[1:3])
        rows.append(
            {
                "image": answer["image"],
                "digit": answer["digit"],
                "probability": answer["probability"],
                "others": others,
            }
        )
    first = answers[0]
    return table_of(
        rows,
        f"Run {first['run']}, trained on: {first['trained_on']}",
        {
            "image": ("image", ""),
            "digit": ("digit", "d"),
            "probability": ("probability", ".1%"),
            "others": ("then", ""),
        },
    )
