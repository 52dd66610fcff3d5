"""What a page holds of its runs: settings, histories, weights of every epoch, and how they came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from hindi_bn.article.facts import ARTICLE, published_head
from hindi_bn.article.reference import is_published
from hindi_bn.digits import Digits
from hindi_bn.engine.choice import unknown
from hindi_bn.engine.learner import shape_of
from hindi_bn.errors import StudyError
from hindi_bn.evidence.row import weights_digest
from hindi_bn.figures.style import looks
from hindi_bn.landscape.weights import put, state_of
from hindi_bn.networks import kind_of
from hindi_bn.page.digits import Chosen
from hindi_bn.page.weights import Floats, pack
from hindi_bn.records import Record, RunFolder
from hindi_bn.records.path import kept_buffers, read_path
from hindi_bn.study import Run, Study
from hindi_bn.study.words import arms_in_words
from hindi_bn.training.loop import predict
from hindi_bn.training.recordings.path import WeightPath
from hindi_bn.training.run import initial_network, load_network
from hindi_bn.training.tensors import run_constants, scale

SIDE = 32
CONSTANTS = {"unit": (0.0, 1.0), "half": (0.5, 0.5)}
"""Shift and divisor of grey values 0..1, by scaling; of the others they depend on the data."""
HISTORY = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")


@dataclass(frozen=True)
class Points:
    """Networks of a run (epochs, numbers) after so many epochs each, 0 for the untrained one."""

    epochs: list[int]
    networks: Floats


def with_weights(study: Study) -> Study:
    """Return a study that records its weights after every epoch, if the page can show its runs."""
    if any(_unknown(study, run) for run in study.runs):
        return study
    runs = tuple(
        run
        if has_path(run)
        else run.model_copy(update={"recordings": (*run.recordings, WeightPath())})
        for run in study.runs
    )
    return study.model_copy(update={"runs": runs})


def has_path(run: Run) -> bool:
    """Tell whether a run records its path through weight space."""
    return any(recording.kind == "path" for recording in run.recordings)


def _unknown(study: Study, run: Run) -> str:
    """Name what the page does not know of a run; empty when it can show it."""
    if study.image_size != SIDE:
        return f"images of {study.image_size} x {study.image_size} pixels"
    study = study.model_copy(update={"device": "cpu", "precision": "float32"})
    what = unknown(study, run.model_copy(update={"optimizer": "sgd"}))
    return what or ("" if run.scaling in CONSTANTS else f"scaling {run.scaling!r}")


def refuse(records: Sequence[Record]) -> None:
    """Raise StudyError for a run that the page's engine cannot compute."""
    for record in records:
        if what := _unknown(record.study, record.run):
            raise StudyError(
                f"The page cannot show {record.folder}.",
                f"It does not know {what}: its networks are computed by the engine.",
                f"choose runs on images of {SIDE} x {SIDE} pixels that the engine can train "
                "(docs/engine.md), with scaling unit or half",
            )


def runs_of(records: Sequence[Record]) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """Return what is told of each run, and the packed weights by blob name."""
    names = [record.name for record in records]
    words, colours = arms_in_words(names), looks(names)
    told, blobs = [], {}
    for place, record in enumerate(records):
        points = _points(record)
        blob = f"weights-{place}"
        blobs[blob] = pack(points.networks)
        told.append({
            **_settings(record), "name": record.name, "words": words[record.name],
            "colour": colours[record.name].colour, "epochs": points.epochs, "weights": blob,
            "history": _history(record), "pair": _pair(record),
            "sha256": weights_digest(RunFolder(record.folder).read_weights()),
        })  # fmt: skip
    return told, blobs


def _settings(record: Record) -> dict[str, Any]:
    run, network = record.run, load_network(record)
    shape = shape_of(run, network, 1)
    keys = ("side", "convolutions", "norm", "groups", "after", "average", "eps", "momentum")
    convolutions = [
        name for name, layer in network.named_children() if isinstance(layer, nn.Conv2d)
    ]
    norms = [name for name, layer in network.named_children() if kind_of(layer) == "normalisation"]
    return {
        "description": record.study.description, "seed": record.study.seed,
        "batch_size": run.batch_size, "lr": run.lr, "momentum": run.momentum,
        "scaling": run.scaling, "constants": CONSTANTS[run.scaling], "network": run.network,
        "norm": run.norm.model_dump(mode="json"), "placement": run.placement,
        "shape": {key: getattr(shape, key) for key in keys}, "layout": _layout(network),
        "counts": [name for name, _ in network.named_buffers() if "num_batches" in name],
        "layers": [
            {"convolution": name, "norm": norms[place] if norms else None}
            for place, name in enumerate(convolutions)
        ],
    }  # fmt: skip


def _layout(network: nn.Module) -> list[dict[str, Any]]:
    """Say where in a network's vector each tensor is: parameters, then running averages."""
    layout, at = [], 0
    for name, values in [*network.named_parameters(), *kept_buffers(network).items()]:
        layout.append({"name": name, "shape": [*values.shape], "at": at, "size": values.numel()})
        at += values.numel()
    return layout


def _points(record: Record) -> Points:
    """Return a run's networks after every epoch if it recorded them, else the first and last."""
    if not any(each.kind == "path" and each.every == "epoch" for each in record.run.recordings):  # type: ignore[attr-defined]
        both = [state_of(initial_network(record)), state_of(load_network(record))]
        return Points([0, len(record.history)], torch.stack(both).numpy())
    path = read_path(RunFolder(record.folder))
    whole = torch.cat([path.weights, path.buffers], 1)
    return Points([int(epoch) + 1 for epoch in path.epoch], whole.numpy())


def _history(record: Record) -> list[dict[str, float]]:
    return [
        {"epoch": epoch + 1, **{name: row[name] for name in HISTORY}}
        for epoch, row in enumerate(record.history.to_dict("records"))
    ]


def _pair(record: Record) -> dict[str, Any] | None:
    pair = record.run.recorded_pair()
    if pair is None:
        return None
    return {name: record.history[name].tolist() for name in ("wx", "wy")}


def published(records: Sequence[Record]) -> dict[str, list[dict[str, Any]]]:
    """Return the article's numbers by run, as far as it prints them; empty for other studies."""
    if not all(is_published(record) for record in records):
        return {}
    head = published_head()
    last = {"epoch": ARTICLE.last_epoch + 1}
    return {
        record.name: [
            {"epoch": row["epoch"] + 1, **{name: row[name] for name in HISTORY}}
            for row in head[head["run"] == record.run.name].to_dict("records")
        ]
        + [{**last, "test_accuracy": ARTICLE.final_test_accuracy[record.run.name]}]
        for record in records
    }


def answers_at_half(records: Sequence[Record], digits: Digits) -> dict[str, int]:
    """Count the answers on the whole test set that float16 weights change, over all runs."""
    changed = 0
    for record in records:
        images = scale(digits.test_images, run_constants(digits, record.run))
        exact, half = load_network(record), _at_half(record)
        changed += int((predict(exact, images).argmax(1) != predict(half, images).argmax(1)).sum())
    return {"answers": changed, "of": len(records) * len(digits.test_labels)}


def hard(records: Sequence[Record], digits: Chosen) -> list[int]:
    """Order the test digits aboard: those that some networks misread, all, none; unsure first."""
    misread, least = np.zeros(len(digits.test_labels)), np.ones(len(digits.test_labels))
    labels = digits.test_labels
    for record in records:
        images = scale(digits.test_images, CONSTANTS[record.run.scaling])
        sure = predict(_at_half(record), images)
        misread += (sure.argmax(1) != labels).numpy()
        least = np.minimum(least, sure.gather(1, labels[:, None])[:, 0].numpy())
    rank = np.select([misread == 0, misread == len(records)], [2, 1], 0)
    return [int(place) for place in np.lexsort((least, rank))]


def _at_half(record: Record) -> nn.Module:
    """Return a run's network with the weights that the page has of it."""
    network = load_network(record)
    put(network, state_of(network).half().float())
    return network
