"""Studies: load one, change it, choose runs of it; their files listed, begun and checked."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from hindi_bn.digits.checksums import ARTICLE, CLASSES
from hindi_bn.errors import StudyError
from hindi_bn.files import write_json, write_text
from hindi_bn.networks import build_run, check
from hindi_bn.networks.preserved import preserved
from hindi_bn.study import Study, files, schema
from hindi_bn.training.recorder import readers_of
from hindi_bn.training.tensors import Tensors


def load_study(
    config: str | os.PathLike[str] = "article",
    changes: Mapping[str, Any] | None = None,
    **more: Any,
) -> Study:
    """Load a study by name or file, with some of its keys changed.

    A key of a run (`lr`, `norm.eps`) changes every run, `runs.NAME.KEY` one. StudyError for an
    unknown key or a wrong value, with the nearest valid name.

    Examples:
        >>> study = load_study("article", {"runs.bn.lr": 0.01}, epochs=5)
        >>> [(run.name, run.norm.name, run.epochs, run.lr) for run in study.runs]
        [('no-bn', 'none', 5, 0.001), ('bn', 'batch', 5, 0.01)]
    """
    study = files.load_study(os.fspath(config), dict(changes or {}) | more)
    logging.getLogger("hindi_bn").debug(
        "Study %s from %s.", study.name, files.find_study(str(config))
    )
    return study


def choose_runs(
    config: str | os.PathLike[str], norm: str, changes: Mapping[str, Any] | None = None, **more: Any
) -> tuple[Study, list[str]]:
    """Load a study and choose its runs with one normalisation layer; return it and their names.

    Where it has none, the run with BN (or else the last) gets this layer and its name; it
    keeps its place in the random stream. Changes of keys of a run hold for the chosen runs alone.

    Examples:
        >>> study, names = choose_runs("article", "layer", epochs=1)
        >>> names, [run.epochs for run in study.runs]
        (['layer'], [30, 1])
    """
    config, wanted = os.fspath(config), dict(changes or {}) | more
    plain, name = files.load_study(config), norm.rpartition(":")[2]
    chosen = plain.with_norm(norm)
    if not chosen:
        replaced = (plain.with_norm("batch") or plain.runs)[-1]
        chosen, place = (replaced,), plain.position(replaced.name)
        others = [each for each in replaced.recordings if each.kind != "pair"]  # of its own layers
        recordings = [each.model_dump(mode="json") for each in others]
        settings = {"norm": norm, "recordings": recordings, f"runs.{place}.name": name}
        wanted = settings | wanted
    study = files.load_study(config, wanted, only=[*(run.name for run in chosen), name])
    return study, [study.runs[plain.position(run.name)].name for run in chosen]


def list_studies() -> list[dict[str, Any]]:
    """Describe the studies that come with the program: name, description, data, runs, epochs."""
    found = []
    for name in files.study_names():
        study = files.load_study(name)
        epochs = [run.epochs for run in study.runs]
        row = {"runs": [run.name for run in study.runs], "epochs": epochs}
        row |= {"data": study.data, "file": str(files.find_study(name))}
        found.append({"name": name, "description": study.description, **row})
    return found


def check_study(config: str | os.PathLike[str]) -> Study:
    """Load a study and refuse with a StudyError what could not be trained or recorded.

    Numbers of images are taken to be the article's; nothing else depends on the data.
    """
    study = load_study(config)
    for run in study.runs:
        data = _blank(run.train_images, study.image_size)
        check(run, len(data.train_labels), study.image_size)
        with preserved():
            network = build_run(run, study.image_size)
        readers_of(run, network, data)
    return study


def _blank(train_images: int | None, side: int) -> Tensors:
    """Return black images of all classes, as many as the article's, without memory for them."""
    train, test = ARTICLE.per_class["train"] * CLASSES, ARTICLE.per_class["test"] * CLASSES
    images, labels = torch.zeros(()), torch.arange(CLASSES)
    count = train_images or train
    return Tensors(
        images.expand(count, 1, side, side), labels.repeat(count // CLASSES + 1)[:count],
        images.expand(test, 1, side, side), labels.repeat(test // CLASSES),
    )  # fmt: skip


def new_study(file: str | os.PathLike[str]) -> list[Path]:
    """Write a commented study with all defaults, and beside it the schema for editors.

    Returns both files. Only the schema replaces an older one; StudyError when `file` is there.
    """
    path = Path(file)
    if path.suffix not in {".yaml", ".yml"}:
        path = path.with_name(f"{path.name}.yaml")
    if path.exists():
        what, why = f"{path} is there already.", "Nothing is overwritten unasked."
        raise StudyError(what, why, "give another name, or delete it first")
    text = schema.template(path.stem)
    files.validate(files.overridden(yaml.safe_load(text), str(path)), str(path))  # its name, too
    beside = path.with_name(schema.SCHEMA_FILE)
    write_json(beside, study_schema())
    write_text(path, text)
    return [path, beside]


def study_schema() -> dict[str, Any]:
    """Return the JSON Schema of study files: every key, norm and recording, with descriptions."""
    return schema.json_schema()
