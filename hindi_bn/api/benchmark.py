"""How fast training is, against the notebook's way and the machine's peak."""

import os
from pathlib import Path
from typing import Any

import pandas as pd

from hindi_bn.bench import benchmark
from hindi_bn.digits.dataset import Note
from hindi_bn.digits.fetching import no_note
from hindi_bn.study import Study
from hindi_bn.study.words import counted

SHORT = 4  # a short benchmark uses every 4th image
FRACTIONS = (8, 4, 2)  # the figure's smaller training sets: every 8th, 4th and 2nd image
SEEDS_OF_A_FIGURE = 4
LEAST_POINTS = 3  # of a line: any two lie on one


def measure_speed(
    study: Study,
    *,
    data_dir: str | os.PathLike[str] = "data",
    epochs: int = 3,
    short: bool = False,
    seeds: int | None = None,
    figure: str | os.PathLike[str] | None = None,
    note: Note = no_note,
) -> dict[str, Any]:
    """Time a study's runs in every way; nothing is recorded.

    Args:
        epochs: Epochs of each way, of which the median is quoted.
        short: Use every 4th image only.
        seeds: Also measure so many runs side by side, against one after the other.
        figure: Also measure smaller sets and fewer runs, and draw their costs (.png, .svg, .pdf).
    """
    if figure is not None:
        from hindi_bn.figures.style import format_of

        format_of(Path(figure))  # refuses a wrong name before minutes of measuring
        most = seeds or SEEDS_OF_A_FIGURE
        numbers = [2**power for power in range(most.bit_length()) if 2**power < most] + [most]
    else:
        numbers = [seeds] if seeds else []
    document = benchmark.benchmark(
        study, Path(data_dir), epochs=epochs, every=SHORT if short else 1, seeds=numbers,
        fractions=FRACTIONS if figure else (), note=note,
    )  # fmt: skip
    if figure is not None:
        _draw(document, Path(figure))
    return document


def _draw(document: dict[str, Any], file: Path) -> None:
    from scipy.stats import linregress

    from hindi_bn.figures.bench import cost_figure
    from hindi_bn.figures.style import Caption, save_as

    network = document["networks"][0]
    sizes, many = pd.DataFrame(document["sizes"]), pd.DataFrame(document["many"])
    epochs = counted(document["epochs"], "epoch")
    details = (
        f"{network['network']}, norm {network['norm']} · {document['environment']['device_name']}, "
        f"threads: {document['threads']} · left: n = {epochs} per point; right: "
        f"runs of {epochs}, {many['numerics'].iloc[0]}, n = 1"
    )
    points = {way: (rows["images"], rows["median"]) for way, rows in sizes.groupby("way")}
    points |= {way: (many["runs"], many[way]) for way in ("one_by_one", "side_by_side")}
    lines = {str(way): linregress(x, y) for way, (x, y) in points.items() if len(x) >= LEAST_POINTS}
    save_as(cost_figure(sizes, many, lines, Caption(document["data"], details)), file)
