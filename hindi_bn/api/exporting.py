"""Trained networks for other programs: ONNX, and folders for the Hugging Face Hub."""

import os
from pathlib import Path

from hindi_bn import digits as source
from hindi_bn import exports, registry
from hindi_bn.api.runs import RunLike, read_run
from hindi_bn.digits import Digits
from hindi_bn.exports import Exported


def export(
    run: RunLike,
    format: str = "onnx",  # noqa: A002 - as the option is called
    *,
    digits: Digits | None = None,
    data_dir: str | os.PathLike[str] = "data",
    folder: str | os.PathLike[str] | None = None,
) -> list[Exported]:
    """Write a finished run's network for other programs, each file checked against torch.

    Args:
        format: `onnx` (needs `hindi-bn[export]`) or `huggingface`.
        digits, data_dir: The run's data, whose test images the check takes.
        folder: Where to write; a folder with the format's name in the run's unless given.

    Raises:
        RunError: The run is unfinished, the data are others, or the file answers otherwise.
    """
    chosen = registry.find_known(exports.FOLDER, format, "format")
    record = read_run(run)
    data = source.load(Path(data_dir), record.study.data) if digits is None else digits
    target = Path(folder) if folder else record.folder / format
    written: list[Exported] = chosen.export(record, data, target)
    return written
