"""A data set and a study small enough for tests: a run takes a fraction of a second."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from hindi_bn.digits import Digits
from hindi_bn.study import Run, Study
from hindi_bn.study.files import load_study
from hindi_bn.training.gpu.ensemble import Member
from hindi_bn.training.gpu.graphs import captured, graph_trainer
from hindi_bn.training.loop import EpochRow, PlainTrainer, TorchLearner, learner_of, run_epochs
from hindi_bn.training.tensors import Tensors


def tiny_digits(train: int = 70, test: int = 40, seed: int = 0) -> Digits:
    """Noise with a bright bar whose place tells the class: (n, 32, 32), ten classes."""
    generator = torch.Generator().manual_seed(seed)

    def images(labels: torch.Tensor) -> torch.Tensor:
        pixels = torch.randint(0, 60, (len(labels), 32, 32), generator=generator)
        for image, label in zip(pixels, labels, strict=True):
            image[3 * label : 3 * label + 3] += 190
        return pixels.to(torch.uint8)

    train_labels, test_labels = torch.arange(train) % 10, torch.arange(test) % 10
    train_images, test_images = images(train_labels), images(test_labels)
    return Digits(
        name="digits",
        source="tests",
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
        digests={
            "train": hashlib.sha256(train_images.numpy().tobytes()).hexdigest(),
            "test": hashlib.sha256(test_images.numpy().tobytes()).hexdigest(),
        },
    )


def tiny_study(**overrides: Any) -> Study:
    """The article's study with two epochs a run, one thread; keys as in `--set`, `__` for a dot."""
    changes = {"epochs": 2, "threads": 1, "device": "cpu"}
    return load_study("article", changes | {k.replace("__", "."): v for k, v in overrides.items()})


def members_of(study: Study, names: Sequence[str], seeds: Sequence[int]) -> list[Member]:
    """A member for each seed and each of the study's runs called `names`, in folders of its own."""
    settings = study.model_dump()
    studies = [
        Study.model_validate(settings | {"seed": seed, "name": f"{study.name}-seed-{seed}"})
        for seed in seeds
    ]
    return [Member(seeded, name) for seeded in studies for name in names]


def epochs(
    run: Run,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: Tensors,
    *,
    precision: Any = "float32",
    numerics: Any = "exact",
    **more: Any,
) -> Iterator[EpochRow]:
    """Train a network by the plain loop; `more` as for `run_epochs`."""
    learner = learner_of(run, network, optimizer, precision, numerics)
    trainer = PlainTrainer(learner, data, run)
    return run_epochs(run, trainer, len(data.train_labels), **more)


def graphed_epochs(
    run: Run,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: Tensors,
    *,
    precision: Any = "float32",
    launch: Any = captured,
    **more: Any,
) -> Iterator[EpochRow]:
    """Train a network as on CUDA, its steps captured or launched as `launch` says."""
    learner = TorchLearner(network, optimizer, precision)
    trainer = graph_trainer(learner, data, run, torch.initial_seed(), launch=launch)
    return run_epochs(run, trainer, len(data.train_labels), **more)
