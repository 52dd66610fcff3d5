"""`hindi-bn predict`: the digits on one's own images, by a trained run."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

import hindi_bn
from hindi_bn.cli import options
from hindi_bn.cli.app import app, note, print_json
from hindi_bn.cli.tables import Parts, show, table_of
from hindi_bn.errors import DataError


@app.command()
def predict(
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGE...", help="Image files, folders of them, or - for stdin."),
    ],
    run: Annotated[
        str,
        typer.Option(
            "--run",
            metavar="DIR|bn|no-bn",
            help="Folder of a trained run, or one of the article's networks that come along.",
        ),
    ] = "bn",
    show_: Annotated[
        Path | None,
        typer.Option(
            "--show",
            metavar="DIR",
            show_default="not written",
            help="Folder for what the network saw: a PNG of 32 x 32 for each digit.",
        ),
    ] = None,
    labels: Annotated[
        bool,
        typer.Option("--labels", help="Score the answers: folders are called 0 or digit_0 to 9."),
    ] = False,
    data_dir: options.DataDir = Path("data"),
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Tell which Hindi digits images show, with the probability of every class, or doubt.

    Photos and scans of any size, in colour or grey, dark on light or light on dark, with one digit
    or several: what was done to make them like the training images (32 x 32, white on black) is
    printed for each. "unsure" says that an answer is not to be trusted, and why (docs/predict.md).
    """
    found = hindi_bn.predict(images, run, data_dir=data_dir, labels=labels)
    if show_ is not None:
        for file in hindi_bn.save_seen(found, show_):
            note(f"Wrote {file}", quiet=quiet or json_)
    answers = [{k: v for k, v in asdict(answer).items() if k != "pixels"} for answer in found]
    for answer in answers:
        if answer["prepared"]:
            note(f"{answer['image']}: {'; '.join(answer['prepared'])}", quiet=quiet or json_)
    scores = hindi_bn.score(found) if labels else None
    if json_:
        print_json({"answers": answers, "scores": scores} if labels else answers)
    else:
        show(_tables(answers, scores))
    errors = [answer for answer in answers if answer["error"]]
    if errors:
        raise DataError(
            f"{len(errors)} of {len({answer['image'] for answer in answers})} images have no "
            "answer.",
            "\n".join(answer["error"] for answer in errors),
        )


def _tables(answers: list[dict[str, Any]], scores: dict[str, Any] | None) -> Parts:
    """Return a table with a row per digit: its probability, the next best two, doubts; scores."""
    rows = []
    for answer in answers:
        if answer["error"]:
            continue
        ranked = sorted(enumerate(answer["probabilities"]), key=lambda pair: -pair[1])
        others = ", ".join(f"{digit} ({100 * share:.1f} %)" for digit, share in ranked[1:3])
        doubts = f"unsure: {'; '.join(answer['doubts'])}" if answer["doubts"] else "sure"
        more = {"probability": 100 * answer["probability"], "others": others, "doubt": doubts}
        rows.append(answer | more)
    title = f"Run {answers[0]['run']}, trained on: {answers[0]['trained_on']}"
    columns = {
        "image": ("image", ""), "digit": ("digit", "d"),
        "probability": ("probability, %", ".1f"), "others": ("then", ""), "doubt": ("", ""),
    }  # fmt: skip
    parts: Parts = [table_of(rows, title, columns)] if rows else []
    if scores:
        wrong = scores["sure_wrong"]
        parts.append(
            f"{scores['right']} of {scores['images']} images right "
            f"({100 * scores['accuracy']:.1f} %); {100 * scores['unsure']:.1f} % unsure"
            + (f"; {100 * wrong:.1f} % of the sure ones wrong." if wrong is not None else ".")
        )
    return parts
