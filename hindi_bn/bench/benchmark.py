"""The whole benchmark: every run of a study in every way, many runs, and smaller data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from hindi_bn import environment
from hindi_bn.bench.document import many_document, network_document, sizes_document
from hindi_bn.bench.many import measure_many
from hindi_bn.bench.measure import Bench, NetworkBench, measure
from hindi_bn.bench.pictures import pictures
from hindi_bn.bench.start import least_start
from hindi_bn.digits import load
from hindi_bn.errors import StudyError
from hindi_bn.training.device import choose_device

if TYPE_CHECKING:
    from hindi_bn.study import Study

Note = Callable[[str], None]


def benchmark(
    study: Study,
    data_dir: Path,
    *,
    epochs: int = 3,
    every: int = 1,
    seeds: Sequence[int] = (),
    fractions: Sequence[int] = (),
    note: Note = lambda text: None,
) -> dict[str, Any]:
    """Measure and describe everything in one document, which JSON can hold.

    Args:
        epochs: Epochs of each way, of which the median is taken.
        every: 4 to use every 4th image of both splits.
        seeds: Numbers of runs to train side by side and one after the other: the study's first run.
        fractions: Train the first run on every 8th of these images, too, where 8 is among these
            numbers.
        note: Called with what was measured, in a line.

    Raises:
        StudyError: When a run's training images are not those of the notebook's way.
        HindiBnError: When the data are not there, or one of the processes or runs fails.
    """
    _refuse_other_images(study)
    device, digits = choose_device(study.device), load(data_dir, study.data)
    if study.threads is not None:
        torch.set_num_threads(study.threads)
    with pictures(data_dir, digits) as folder:
        setting = Bench(study, data_dir, folder, len(digits.train_labels), epochs, every)
        networks = [measure(setting, run, note=note) for run in study.runs]
        sizes = _sizes(setting, fractions, note) + networks[:1] if fractions else []
    many = []
    for number in seeds:
        many.append(measure_many(setting, digits, number, device))
        note(f"{number} runs: {many[-1].side_by_side:.1f} s side by side ({many[-1].how})")
    return {
        "data": digits.title,
        "environment": environment.describe(device.type),
        "threads": torch.get_num_threads(),
        "epochs": epochs,
        "least_start": least_start(),
        "networks": [network_document(network) for network in networks],
        "many": many_document(many),
        "sizes": sizes_document(sizes),
    }


def _refuse_other_images(study: Study) -> None:
    for run in study.runs:
        if run.train_images is not None or run.augment != "none":
            raise StudyError(
                f"Run {run.name!r} cannot be timed beside the notebook's way.",
                "The notebook trains on all training images as they are.",
                "leave train_images and augment away",
            )


def _sizes(setting: Bench, fractions: Sequence[int], note: Note) -> list[NetworkBench]:
    run = setting.study.runs[0]
    return [measure(setting.part(fraction), run, note=note) for fraction in fractions]
