"""A folder of PNG images for the notebook's way: the data's own, or one written for the purpose."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hindi_bn.digits import Digits

SPLITS = {"Train": "train", "Test": "test"}


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

    for name, split in SPLITS.items():
        images = getattr(digits, f"{split}_images").numpy()
        labels = getattr(digits, f"{split}_labels").tolist()
        for digit in range(10):
            (folder / name / f"digit_{digit}").mkdir(parents=True)
        for place, (image, label) in enumerate(zip(images, labels, strict=True)):
            Image.fromarray(image).save(folder / name / f"digit_{label}" / f"{place:06}.png")
