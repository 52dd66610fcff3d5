"""The whole benchmark: every run of a study in every way, many runs, and smaller data."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from hindi_bn import environment
from hindi_bn.bench.document import many_document, network_document, sizes_document
from hindi_bn.bench.many import measure_many
from hindi_bn.bench.measure import Bench, measure
from hindi_bn.bench.peak import least_start
from hindi_bn.digits import Digits, load
from hindi_bn.digits.checksums import CLASSES, FOLDERS
from hindi_bn.digits.dataset import Note
from hindi_bn.digits.fetching import no_note
from hindi_bn.errors import StudyError
from hindi_bn.training.device import choose_device

if TYPE_CHECKING:
    from hindi_bn.study import Study


def benchmark(
    study: Study,
    data_dir: Path,
    *,
    epochs: int = 3,
    every: int = 1,
    seeds: Sequence[int] = (),
    fractions: Sequence[int] = (),
    note: Note = no_note,
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
        HindiBnError: When the data are not there, a run's training images are not those of the
            notebook's way, or one of the processes or runs fails.
    """
    _refuse_other_images(study)
    device, digits = choose_device(study.device), load(data_dir, study.data)
    if study.threads is not None:
        torch.set_num_threads(study.threads)
    with pictures(data_dir, digits) as folder:
        setting = Bench(study, data_dir, folder, len(digits.train_labels), epochs, every)
        networks = [measure(setting, run, note=note) for run in study.runs]
        sizes = [measure(setting.part(part), study.runs[0], note=note) for part in fractions]
        if fractions:
            sizes += networks[:1]
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


@contextlib.contextmanager
def pictures(data_dir: Path, digits: Digits) -> Iterator[Path]:
    """Give a folder with Train/digit_0 … Test/digit_9, for as long as it is needed.

    The real digits have one; other data are written into a temporary folder.
    """
    if digits.name == "digits":
        yield data_dir / "digits"
        return
    with tempfile.TemporaryDirectory(prefix="hindi-bn-") as folder:
        write_pictures(Path(folder), digits)
        yield Path(folder)


def write_pictures(folder: Path, digits: Digits) -> None:
    """Write every image as a grey PNG, named so that they sort in the data's order in a class."""
    from PIL import Image

    for split, name in FOLDERS.items():
        images = getattr(digits, f"{split}_images").numpy()
        labels = getattr(digits, f"{split}_labels").tolist()
        for digit in range(CLASSES):
            (folder / name / f"digit_{digit}").mkdir(parents=True)
        for place, (image, label) in enumerate(zip(images, labels, strict=True)):
            Image.fromarray(image).save(folder / name / f"digit_{label}" / f"{place:06}.png")
