"""A comparison's document as Markdown, to read where it lies."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hindi_bn.article.compare import FINAL_TOLERANCE
from hindi_bn.article.facts import HALF_LAST_DIGIT
from hindi_bn.study.words import arms_in_words, rows_in_words

Row = Mapping[str, Any]
Column = tuple[str, str, Callable[[Any], str]]  # key, heading, how to write a value


def comparison_markdown(document: Mapping[str, Any]) -> str:
    """Write a comparison's document (see `report.Comparison`) as Markdown."""
    words = arms_in_words(document["runs"])
    said = {**document} | {
        name: rows_in_words(document[name])
        for name in ("summary", "published", "agreement", "per_class")
    }
    parts = [
        f"# Runs compared: {', '.join(words.values())}",
        f"Data: **{document['data']}**. Made by `{document['command']}`.",
        _summary(said),
        *_published(said),
        _figure(document, "accuracy", "Test accuracy by epoch"),
        _figure(document, "loss", "Training loss by epoch"),
        *_findings(document["findings"], published=document["published_compared"]),
        *_classes(said),
        _runs(document),
    ]
    return "\n\n".join(parts) + "\n"


def table(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """Write a Markdown table; columns whose first value is a number are aligned right.

    Args:
        columns: Key, heading and writer of each column; None is written as a dash.
    """
    numeric = [isinstance(rows[0].get(key), int | float) for key, _, _ in columns]
    lines = [_line(heading for _, heading, _ in columns)]
    lines.append(_line("---:" if number else "---" for number in numeric))
    for row in rows:
        cells = ((row.get(key), write) for key, _, write in columns)
        lines.append(_line("–" if value is None else write(value) for value, write in cells))
    return "\n".join(lines)


def _line(cells: Any) -> str:
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _number(value: float) -> str:
    return f"{value:.6f}"


def _small(value: float) -> str:
    return "0" if value == 0 else f"{value:.1e}"


def _source(document: Mapping[str, Any]) -> str:
    """Name the data under a table, so that it can be quoted alone."""
    return f"*Data: {document['data']}; n = 1 run each.*"


def _summary(document: Mapping[str, Any]) -> str:
    columns: list[Column] = [
        ("run", "run", str), ("epochs", "epochs", str),
        ("final_test_accuracy", "final test accuracy", _percent),
        ("best_test_accuracy", "best", _percent), ("best_epoch", "at epoch", str),
        ("last_five_mean_test_accuracy", "mean of the last five", _percent),
        ("final_train_loss", "final training loss", lambda loss: f"{loss:.5f}"),
    ]  # fmt: skip
    rows = table(document["summary"], columns)
    return f"## Summary\n\n{rows}\n\nEpochs are counted from 0. {_source(document)}"


def _published(document: Mapping[str, Any]) -> list[str]:
    rows = document["published"]
    if not rows:
        return []
    agree = sum(row["verdict"] == "agrees" for row in rows)
    text = (
        f"## Against the article\n\n{document['article']}.\n\n"
        f"**{agree} of {len(rows)} published numbers agree.** A number agrees when the difference "
        f"is at most the tolerance; published numbers are rounded to six decimals, so half a unit "
        f"of the last one ({HALF_LAST_DIGIT:g}) is added to every tolerance, and a tolerance of 0 "
        f"means equal at the digits shown. Final test accuracies may differ by {FINAL_TOLERANCE:g}."
    )
    condensed: list[Column] = [
        ("run", "run", str), ("quantity", "quantity", str), ("numbers", "published numbers", str),
        ("agree", "agree", str), ("largest_difference", "largest difference", _small),
    ]  # fmt: skip
    every: list[Column] = [
        ("run", "run", str), ("epoch", "epoch", str), ("quantity", "quantity", str),
        ("published", "published", _number), ("ours", "ours", _number),
        ("difference", "difference", lambda value: f"{value:+.1e}"),
        ("tolerance", "tolerance", _small), ("verdict", "verdict", str),
    ]  # fmt: skip
    return [
        text,
        f"{table(document['agreement'], condensed)}\n\n{_source(document)}",
        f"<details><summary>Every published number</summary>\n\n{table(rows, every)}\n\n</details>",
    ]


def _figure(document: Mapping[str, Any], name: str, words: str) -> str:
    return f"![{words}: {document['data']}]({document['figures'][name]})"


def _findings(findings: Sequence[Row], *, published: bool) -> list[str]:
    of_article = all(finding["statement"] for finding in findings)
    head = "## The article's three findings, and what these runs give"
    if not of_article:
        head = "## Measured"
    elif not published:
        head += "\n\nThese runs are not the article's: the numbers are not comparable with its own."
    parts = [head]
    for finding in findings:
        measured = "\n".join(f"- {sentence}" for sentence in finding["sentences"])
        title, figure = finding["title"], finding["figure"]
        of_it = f"The article: {finding['statement']}\n\nMeasured:\n\n"
        parts += [
            f"### {finding['number']}. {title} (article, figure {figure})\n\n{of_it}{measured}"
            if of_article
            else f"### {title}\n\n{measured}",
            finding["method"],
        ]
    return parts


def _classes(document: Mapping[str, Any]) -> list[str]:
    if not document["per_class"]:
        return []
    headings = {"precision": "precision", "recall": "recall", "f1": "F1"}
    rows: dict[int, dict[str, Any]] = {}
    columns: list[Column] = [("class", "digit", str), ("support", "test images", str)]
    for run in dict.fromkeys(row["run"] for row in document["per_class"]):
        columns += [(f"{run} {key}", f"{run} {head}", _percent) for key, head in headings.items()]
    for row in document["per_class"]:
        digit = rows.setdefault(row["class"], {"class": row["class"], "support": row["support"]})
        digit |= {f"{row['run']} {key}": row[key] for key in headings}
    return [
        f"## Digit by digit\n\n{table(list(rows.values()), columns)}\n\n{_source(document)}",
        _figure(document, "per_class", "F1 score by digit"),
        _figure(document, "confusion", "Confusion matrices"),
    ]


def _runs(document: Mapping[str, Any]) -> str:
    rows, words = [], arms_in_words(document["runs"])
    for row in document["summary"]:
        about = document["environments"].get(row["run"], {})
        rows.append(
            {
                "run": words[row["run"]],
                "name": f"`{row['run']}`",
                "device": about.get("device_name") or about.get("device"),
                "threads": about.get("threads"),
                "torch": about.get("versions", {}).get("torch"),
                "command": f"`{about['command']}`" if about.get("command") else None,
            }
        )
    columns: list[Column] = [
        ("run", "run", str), ("name", "its name", str), ("device", "device", str),
        ("threads", "threads", str),
        ("torch", "torch", str), ("command", "command", str),
    ]  # fmt: skip
    copies = ", ".join(f"`{name}`" for name in document["files"])
    return (
        f"## How the runs were made\n\n{table(rows, columns)}\n\n{_source(document)}\n\n"
        f"In this folder: {copies}."
    )
