"""An explanation as text for the terminal; imported only when one is printed."""

import sys
from dataclasses import replace

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hindi_bn.explain.document import Array, Check, Explanation, Step, Values

WIDTH_OF_A_FILE = 100  # characters per line where there is no terminal
ACROSS = 6  # channels up to which each has a column; above, each has a row
ROWS = 16  # rows of a table at most
IMAGES = 4  # images that are printed at most
INDENT = (0, 0, 0, 3)


def print_explanation(explanation: Explanation) -> None:
    """Print on stdout: formatted on a terminal, elsewhere plain text without trailing spaces."""
    out = Console(highlight=False)
    if out.is_terminal:
        _write(explanation, out)
        return
    plain = Console(highlight=False, width=WIDTH_OF_A_FILE)
    with plain.capture() as capture:
        _write(explanation, plain)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))


def _write(explanation: Explanation, out: Console) -> None:
    """Write the numbered steps with formulas, shapes, numbers and checks."""
    out.print(Text(explanation.title, style="bold"))
    out.print(Text(f"{'Batch' if explanation.layer else 'Data'}: {explanation.data}"))
    for number, step in enumerate(explanation.steps, start=1):
        out.print()
        out.print(Text(f"{number}. {step.title}", style="bold cyan"))
        for part in _parts(step):
            out.print(Padding(part, INDENT))
    out.print()
    agree = [check.agrees for step in explanation.steps for check in step.checks]
    counts = f"{sum(agree)} of {len(agree)} checks agree with {explanation.against}"
    how = " (by hand in float64, torch in float32)" if explanation.layer else ""
    out.print(Text(f"{counts}{how}.", style="bold"))


def _parts(step: Step) -> list[RenderableType]:
    parts: list[RenderableType] = [Text(line, style="green") for line in step.formula]
    if step.text:
        parts.append(Text(step.text))
    for values in step.values:
        if values.numbers.ndim == 0:
            parts.append(Text(f"{values.name}: {_texts(values)[0]}"))
    flat = [values for values in step.values if values.numbers.ndim == 1]
    if flat:
        parts += [_statistics(flat), *_more(len(flat[0].numbers) - ROWS, "")]
    for values in step.values:
        if values.numbers.ndim > 1:
            parts += _batch(values)
    return [*parts, *(_check(check) for check in step.checks)]


def _statistics(flat: list[Values]) -> Table:
    """Show values (channels,): a row each for few channels, a column each for many."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    axis, count = flat[0].axis, len(flat[0].numbers)
    texts = [_texts(values) for values in flat]
    if count <= ACROSS:
        table.add_column("", no_wrap=True)
        for place in range(count):
            head = f"{axis} {place}" if isinstance(axis, str) else axis[place]
            table.add_column(head, justify="right", no_wrap=True)
        for values, row in zip(flat, texts, strict=True):
            table.add_row(Text(values.name), *row)
        return table
    table.add_column(str(axis), justify="right", no_wrap=True)
    for values in flat:
        table.add_column(Text(values.name), justify="right")
    for place in range(min(count, ROWS)):
        table.add_row(str(place), *(column[place] for column in texts))
    return table


def _batch(values: Values) -> list[RenderableType]:
    """Show (batch, channels) as a matrix, or maps (batch, channels, height, width) side by side."""
    numbers = values.numbers
    title = Text(f"{values.name}, shape {numbers.shape}:")
    if numbers.ndim == 2:  # noqa: PLR2004
        matrix = _matrix(replace(values, numbers=numbers[:ROWS]))
        return [title, Text(matrix), *_more(len(numbers) - ROWS, " rows")]
    maps = [Text(_maps(image, place)) for place, image in enumerate(numbers[:IMAGES])]
    return [title, *maps, *_more(len(numbers) - IMAGES, " images")]


def _more(left: int, unit: str) -> list[Text]:
    return [Text(f"and {left} more{unit}: see --json")] if left > 0 else []


def _matrix(rows: Values) -> str:
    texts = _texts(rows)
    width = max(map(len, texts))
    size = rows.numbers.shape[1]
    lines = (texts[start : start + size] for start in range(0, len(texts), size))
    return "\n".join("  " + "  ".join(text.rjust(width) for text in line) for line in lines)


def _maps(image: Array, place: int) -> str:
    blocks = [_matrix(Values("", channel)).split("\n") for channel in image]
    heads = [f"  image {place}, channel {channel}" for channel in range(len(blocks))]
    widths = [
        max(len(line) for line in (head, *block)) for head, block in zip(heads, blocks, strict=True)
    ]
    lines = [heads, *zip(*blocks, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _check(check: Check) -> Text:
    word, style = ("✓ agrees", "green") if check.agrees else ("✗ DIFFERS", "bold red")
    text = f" with {check.against}: largest difference {check.largest_difference:.1e}"
    return Text(word, style=style).append(text, style="default")


def _texts(values: Values) -> list[str]:
    """Write numbers alike: with four decimals, or as whole numbers if all are; no minus zero."""
    flat = values.numbers.ravel()
    if values.form:
        return [format(float(value), values.form) for value in flat]
    whole = bool((flat == flat.round()).all())
    return [f"{round(float(value), 4) + 0.0:.{0 if whole else 4}f}" for value in flat]
