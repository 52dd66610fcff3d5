"""Many runs on one device: each with its own weights, batches and statistics.

Every member gets the initial weights and the batch order that it would have by itself, so that its
numbers agree with those of its own run to rounding. Members that differ only in their seed are
stacked and trained as one network by `torch.func.vmap`; what cannot be stacked is trained one by
one. On CUDA both run in graphs.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import nn

from hindi_bn.digits import Digits
from hindi_bn.errors import DivergedError, StudyError
from hindi_bn.networks import build_run, check
from hindi_bn.networks.preserved import preserved
from hindi_bn.study import Run, Study
from hindi_bn.training.device import check_precision, choose_device, prepare
from hindi_bn.training.gpu.ensemble_size import free_bytes, members_that_fit
from hindi_bn.training.gpu.graphs import eager, graph_trainer
from hindi_bn.training.gpu.stack import Stack
from hindi_bn.training.loop import (
    EpochRow,
    Result,
    TorchLearner,
    Trainer,
    make_optimizer,
    train_epochs,
)
from hindi_bn.training.recorder import readers_of
from hindi_bn.training.recordings import Reader
from hindi_bn.training.rng import EpochRngs, move_to_run
from hindi_bn.training.tensors import Tensors, to_tensors, training_digits


@dataclass(frozen=True)
class Member:
    """A run of an ensemble: a study, with its own seed, and the name of one of its runs."""

    study: Study
    name: str

    @property
    def run(self) -> Run:
        """The run's settings."""
        return self.study.run(self.name)


@dataclass
class Trained:
    """A member's training; the seconds of its rows are its share of those stacked with it."""

    member: Member
    method: Literal["vmap", "single"] = "vmap"
    together: int = 1  # members trained at once, itself included
    rows: list[EpochRow] = field(default_factory=list)
    columns: list[dict[str, float]] = field(default_factory=list)  # what recordings add to each row
    weights: dict[str, torch.Tensor] | None = None  # on the CPU; None when it diverged
    diverged: DivergedError | None = None

    def add(self, result: Result, epoch: int, seconds: float, readers: Sequence[Reader]) -> bool:
        """Keep an epoch's result; tell whether the member still trains."""
        before = self.rows[-1].seconds if self.rows else 0.0
        try:
            row = result.row(self.member.name, epoch, before + seconds)
        except DivergedError as error:
            self.diverged = self.diverged or error
        if self.diverged is not None:
            return False
        self.rows.append(row)
        self.columns.append({k: v for each in readers for k, v in each.columns().items()})
        return True


OnEpoch = Callable[[Member, EpochRow], None]
Note = Callable[[str], None]


def train_ensemble(
    members: Sequence[Member],
    digits: Digits,
    *,
    on_epoch: OnEpoch = lambda member, row: None,
    note: Note = lambda text: None,
) -> list[Trained]:
    """Train many runs on the first member's device, as many at once as fit; nothing is written.

    Gives a result for each member, in their order; one that diverges does not stop the others.
    StudyError when a run cannot be trained, or has recordings that only single runs record.
    """
    if not members:
        return []
    every = [Trained(member) for member in members]
    device = choose_device(members[0].study.device)
    for member in members:
        _check(member, digits, device)
    with preserved():
        for group in _groups(every):
            study = group[0].member.study
            prepare(study.threads, device, study.precision)
            # As few parts as fit, equal to within one.
            count = math.ceil(len(group) / _fitting(group, digits, device))
            for part in (group[place::count] for place in range(count)):
                note(f"Training {len(part)} runs together ({part[0].method}).")
                for trained in part:
                    trained.together = len(part)
                _train_part(part, digits, device, on_epoch, note)
    return every


def _check(member: Member, digits: Digits, device: torch.device) -> None:
    run, study = member.run, member.study
    check_precision(study.precision, device)
    used = training_digits(digits, run)
    check(run, len(used.train_labels), study.image_size)
    if any(not recording.columns for recording in run.recordings):
        raise StudyError(
            f"Run {run.name!r} cannot be trained in an ensemble.",
            "It has recordings, which are made by single runs only.",
            "train it with `hindi-bn train`, or leave recordings away",
        )
    if run.recordings:
        readers_of(run, _network(member), to_tensors(used, run.scaling, torch.device("cpu")))


def _network(member: Member) -> nn.Sequential:
    with preserved():
        return build_run(member.run, member.study.image_size)


def _groups(every: Sequence[Trained]) -> list[list[Trained]]:
    """Put the members together that differ only in their seed; others stay by themselves."""
    groups: dict[tuple[str, ...], list[Trained]] = {}
    for place, trained in enumerate(every):
        run, study = trained.member.run, trained.member.study
        stackable = run.augment == "none" and Stack.supports(_network(trained.member))
        trained.method = "vmap" if stackable else "single"
        settings = run.model_dump_json(exclude={"name"})
        alike = (study.precision, settings) if stackable else (str(place),)
        groups.setdefault(alike, []).append(trained)
    return list(groups.values())


def _fitting(group: Sequence[Trained], digits: Digits, device: torch.device) -> int:
    free, member = free_bytes(device), group[0].member
    if free is None:
        return len(group)
    images = len(training_digits(digits, member.run).train_labels)
    size = member.study.image_size
    return members_that_fit(free, _network(member), member.run, images, image_size=size)


def _train_part(
    part: list[Trained], digits: Digits, device: torch.device, on_epoch: OnEpoch, note: Note
) -> None:
    """Train members that are stacked, or one that cannot be."""
    run, study = part[0].member.run, part[0].member.study
    data = to_tensors(training_digits(digits, run), run.scaling, device)
    starts = [_start(trained.member) for trained in part]
    networks = [network.to(device) for network, _ in starts]
    stacked = part[0].method == "vmap"
    layers = Stack(networks) if stacked else networks[0]
    lead = (len(part),) if stacked else ()
    learner = TorchLearner(layers, make_optimizer(run, layers), study.precision, lead)
    readers = [readers_of(run, network, data) for network in networks]
    trainer, rngs = _trainer(learner, data, part, note), EpochRngs([s for _, s in starts])
    numbers = range(run.epochs)
    for epoch, results, seconds in train_epochs(trainer, rngs, len(data.train_labels), numbers):
        training = False
        for trained, result, each in zip(part, results, readers, strict=True):
            if trained.add(result, epoch, seconds / len(part), each):
                training = True
                on_epoch(trained.member, trained.rows[-1])
        if not training:
            break
    for trained, network in zip(part, networks, strict=True):
        if trained.diverged is None:
            state = network.state_dict()
            trained.weights = {k: t.detach().to("cpu", copy=True) for k, t in state.items()}


def _start(member: Member) -> tuple[nn.Sequential, torch.Tensor]:
    """Return a member's network as its own run would begin, and its random stream after that."""
    with preserved():
        move_to_run(member.study, member.name)
        network = build_run(member.run, member.study.image_size)
        return network, torch.get_rng_state()


def _trainer(learner: TorchLearner, data: Tensors, part: list[Trained], note: Note) -> Trainer:
    """Capture on CUDA; where that fails, and elsewhere, launch step by step."""
    member = part[0].member
    try:
        return graph_trainer(learner, data, member.run, member.study.seed)
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[0]
        note(f"Training step by step: the steps cannot be captured ({reason}).")
        return graph_trainer(learner, data, member.run, member.study.seed, launch=eager)
