"""The article's two trained networks, which come with the package, and what doubt rests on.

`python -m hindi_bn.article.trained RUN RUN --data-dir DIR` makes the folder from finished runs.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from hindi_bn.digits import Digits
from hindi_bn.digits.likeness import FARTHEST, Likeness, likeness_of
from hindi_bn.errors import RunError
from hindi_bn.files import refused, replacing, sha256_of, write_json
from hindi_bn.records import Record, RunFolder
from hindi_bn.stats.calibration import temperature_of
from hindi_bn.training.loop import predict
from hindi_bn.training.run import load_network
from hindi_bn.training.tensors import run_constants, scale

FOLDER = Path(__file__).parent / "trained_networks"
NAMES = ("bn", "no-bn")
RECORD = ("run.yaml", "history.csv", "environment.json", "weights.safetensors")
AGAIN = "install hindi-bn again, or name a run of your own with --run"


@dataclass(frozen=True)
class Doubt:
    """What doubt rests on: how far from the digits is too far, and temperatures of networks."""

    likeness: Likeness
    farthest: float
    temperatures: dict[str, float]


def read_trained(name: str) -> Record:
    """Read the network called `bn` or `no-bn`; RunError when a file is not what was packed."""
    _checked()
    return RunFolder(FOLDER / name).read()


def read_doubt() -> Doubt:
    """Read what doubt rests on; RunError when a file is not what was packed."""
    from safetensors.numpy import load

    _checked()
    arrays = load((FOLDER / "likeness.safetensors").read_bytes())
    found = json.loads((FOLDER / "doubt.json").read_text(encoding="utf-8"))
    return Doubt(Likeness(**arrays), found["farthest"], found["temperatures"])


def temperature_on_test(record: Record, digits: Digits) -> float:
    """Return the temperature that calibrates a run on its test digits; RunError for others."""
    record.check_data(digits)
    images = scale(digits.test_images, run_constants(digits, record.run))
    found = predict(load_network(record), images).double().numpy()
    return temperature_of(found, digits.test_labels.numpy())


def write_trained(runs: Sequence[Path], digits: Digits, folder: Path = FOLDER) -> None:
    """Pack finished runs and what doubt rests on, with the sha256 of every file, written last."""
    from safetensors.numpy import save

    temperatures, packed = {}, ["likeness.safetensors", "doubt.json"]
    for run in runs:
        record = RunFolder(run).read()
        temperatures[record.run.name] = temperature_on_test(record, digits)
        for file in RECORD:
            packed.append(f"{record.run.name}/{file}")
            with replacing(folder / packed[-1]) as temporary:
                shutil.copyfile(run / file, temporary)
    measured = likeness_of(digits.train_images.numpy(), digits.train_labels.numpy())
    arrays = {key: value.astype(np.float32) for key, value in vars(measured).items()}
    with replacing(folder / packed[0]) as temporary:
        temporary.write_bytes(save(arrays))
    apart = Likeness(**arrays).distances(digits.test_images.numpy())
    farthest = float(np.percentile(apart, FARTHEST))
    write_json(folder / packed[1], {"farthest": farthest, "temperatures": temperatures})
    write_json(folder / "manifest.json", {file: sha256_of(folder / file) for file in packed})


@cache
def _checked() -> None:
    with refused("The networks that come with hindi-bn cannot be read.", AGAIN):
        manifest = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))
        changed = [file for file, digest in manifest.items() if sha256_of(FOLDER / file) != digest]
    if changed:
        raise RunError(
            "The networks that come with hindi-bn are damaged.",
            f"The sha256 of {', '.join(changed)} is not that of its manifest.",
            AGAIN,
        )


if __name__ == "__main__":
    import sys

    from hindi_bn.digits import load

    *folders, _, data_dir = sys.argv[1:]
    write_trained([Path(run) for run in folders], load(Path(data_dir)))
