"""Many runs at once on one device: each with its own weights, batches and statistics.

Every member gets the initial weights and the batch order that it would have by itself, so that its
numbers agree with those of its own run to rounding. Members whose runs do the same arithmetic are
stacked and trained as one network (`grouped`, `unfolded`, `vmap`; see
`hindi_bn.training.gpu.stacked_forward`); others run
side by side, each captured by itself, on CUDA streams of their own (`streams`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import nn

from hindi_bn.digits import Digits
from hindi_bn.errors import DivergedError, StudyError
from hindi_bn.networks import build_run, check
from hindi_bn.study import Run, Study
from hindi_bn.training.device import check_precision, choose_device, prepare
from hindi_bn.training.gpu.ensemble_size import free_bytes, members_that_fit
from hindi_bn.training.gpu.graphs import Engine, Launches, captured, eager, orders_of
from hindi_bn.training.gpu.program import IMAGES_AT_ONCE, Program, Result, SingleLearner
from hindi_bn.training.gpu.stack import Stack, StackLearner
from hindi_bn.training.gpu.stacked_forward import GroupedForward, UnfoldedForward, VmapForward
from hindi_bn.training.loop import EpochRow, make_optimizer
from hindi_bn.training.rng import move_to_run
from hindi_bn.training.tensors import Tensors, to_tensors, training_digits
from hindi_bn.training.weights import WeightPair

Method = Literal["grouped", "unfolded", "vmap", "streams"]
Asked = Method | Literal["auto"]

FORWARD: Mapping[str, type[GroupedForward] | type[VmapForward]] = {
    "grouped": GroupedForward,
    "unfolded": UnfoldedForward,
    "vmap": VmapForward,
}
"""How each method but `streams` runs a stack."""


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
    """What a member's training gave.

    Parameters
    ----------
    method, together
        How it was trained, and with how many members at once, itself included.
    rows
        A row an epoch; `seconds` are the member's share of the time of those stacked with it.
    weights
        Trained weights and buffers by name, on the CPU; None when it diverged.
    diverged
        Where the loss was no longer finite; the rows before that epoch are kept.
    """

    member: Member
    method: Method = "grouped"
    together: int = 1
    rows: list[EpochRow] = field(default_factory=list)
    weights: dict[str, torch.Tensor] | None = None
    diverged: DivergedError | None = None

    def add(self, result: Result, epoch: int, seconds: float) -> EpochRow | None:
        """Keep an epoch's result; gives its row, or None when the member has diverged."""
        if self.diverged is None and result.diverged_at is not None:
            self.diverged = DivergedError(self.member.name, epoch, result.diverged_at)
        if self.diverged is not None:
            return None
        before = self.rows[-1].seconds if self.rows else 0.0
        self.rows.append(result.row(epoch, before + seconds))
        return self.rows[-1]


OnEpoch = Callable[[Member, EpochRow], None]
Note = Callable[[str], None]


def members_of(study: Study, names: Sequence[str], seeds: Sequence[int]) -> list[Member]:
    """Return a member for each seed and each of the study's runs called `names`.

    Each seed's study is called `<study>-seed-<seed>`, so that every member has its own folder.
    """
    settings = study.model_dump()
    studies = [
        Study.model_validate(settings | {"seed": seed, "name": f"{study.name}-seed-{seed}"})
        for seed in seeds
    ]
    return [Member(seeded, name) for seeded in studies for name in names]


def train_ensemble(
    members: Sequence[Member],
    digits: Digits,
    *,
    device: torch.device | None = None,
    method: Asked = "auto",
    together: int | None = None,
    on_epoch: OnEpoch = lambda member, row: None,
    note: Note = lambda text: None,
) -> list[Trained]:
    """Train many runs, as many at once as fit; nothing is written.

    Parameters
    ----------
    members
        In any order; those that can be stacked are found.
    device
        That of the first member's study unless given.
    method
        `auto` takes `grouped` for runs that have a grouped form, else `vmap`, else `streams`.
    together
        Members at once; unless given, what the free memory of a CUDA device holds (all on others).
    on_epoch
        Called with a member and its row after each of its epochs.
    note
        Called with a sentence for the person at the terminal.

    Returns
    -------
    One result a member, in their order. A member that diverges does not stop the others.

    Raises
    ------
    StudyError
        When a run cannot be trained, cannot be trained by the given method, or has captures, which
        only single runs record.
    """
    every = [Trained(member) for member in members]
    if not every:
        return every
    device = device or choose_device(members[0].study.device)
    for member in members:
        _check(member, digits, device)
    for group in _groups(every, method):
        study = group[0].member.study
        prepare(study.threads, device, study.precision)
        for part in _parts(group, together or _fitting(group, digits, device)):
            note(f"Training {len(part)} runs together ({part[0].method}).")
            for trained in part:
                trained.together = len(part)
            _train_part(part, digits, device, on_epoch, note)
    return every


def _check(member: Member, digits: Digits, device: torch.device) -> None:
    run, study = member.run, member.study
    check_precision(study.precision, device)
    check(run, len(training_digits(digits, run).train_labels), study.image_size)
    WeightPair(_network(member), run.capture)
    if run.captures:
        raise StudyError(
            f"Run {run.name!r} cannot be trained in an ensemble.",
            "It has captures, which are recorded by single runs only.",
            "train it with `hindi-bn train`, or leave captures away",
        )


def _network(member: Member) -> nn.Sequential:
    """Build a member's network without touching the random stream."""
    with torch.random.fork_rng(devices=[]):
        return build_run(member.run, member.study.image_size)


def _groups(every: Sequence[Trained], method: Asked) -> list[list[Trained]]:
    """Choose each member's method, and put those together that can be trained together."""
    methods: dict[str, Method] = {}
    groups: dict[tuple[str, ...], list[Trained]] = {}
    for trained in every:
        run, study = trained.member.run, trained.member.study
        arithmetic = run.model_dump_json(exclude={"name"})
        if arithmetic not in methods:
            methods[arithmetic] = _method_for(trained.member, method)
        trained.method = methods[arithmetic]
        alike = () if trained.method == "streams" else (arithmetic,)
        groups.setdefault((trained.method, study.precision, *alike), []).append(trained)
    return list(groups.values())


def _method_for(member: Member, method: Asked) -> Method:
    network, own_images = _network(member), member.run.augment != "none"
    able: list[Method] = ["streams"]
    if VmapForward.supports(network) and not own_images:
        able.insert(0, "vmap")
    if GroupedForward.supports(network) and not own_images:
        able[:0] = ["grouped", "unfolded"]
    if method == "auto":
        return able[0]
    if method not in able:
        raise StudyError(
            f"Run {member.name!r} cannot be trained by the method {method!r}.",
            "Its augmentation gives each member images of its own."
            if own_images
            else "It has layers that the method does not know.",
            f"choose auto or {', '.join(able)}",
        )
    return method


def _fitting(group: Sequence[Trained], digits: Digits, device: torch.device) -> int:
    free = free_bytes(device)
    if free is None:
        return len(group)
    return min(
        members_that_fit(
            free,
            _network(member),
            member.run,
            len(training_digits(digits, member.run).train_labels),
            image_size=member.study.image_size,
            unfolded=group[0].method == "unfolded",
        )
        for member in {trained.member.run: trained.member for trained in group}.values()
    )


def _parts(group: list[Trained], most: int) -> list[list[Trained]]:
    """Divide a group into as few parts of at most `most` as possible, equal to within one."""
    count = math.ceil(len(group) / most)
    return [group[place::count] for place in range(count)]


_DataKey = tuple[str, int | None]  # scaling, and number of training images
_Data = dict[_DataKey, Tensors]


@dataclass(frozen=True)
class _Lane:
    """Members that are trained by one engine.

    Parameters
    ----------
    states
        Each member's random stream where its first epoch begins.
    weights
        Gives the state dict of a member by its place.
    """

    engine: Engine
    members: list[Trained]
    states: list[torch.Tensor]
    weights: Callable[[int], dict[str, torch.Tensor]]


def _train_part(
    part: list[Trained], digits: Digits, device: torch.device, on_epoch: OnEpoch, note: Note
) -> None:
    data = {}
    for run in (trained.member.run for trained in part):
        if _data_of(run) not in data:
            used = training_digits(digits, run)
            data[_data_of(run)] = to_tensors(used, run.scaling, device)
    make = _single_lanes if part[0].method == "streams" else _stacked_lane
    waiting = [_epochs(lane, data, device, on_epoch) for lane in make(part, data, device, note)]
    while waiting:  # in turns, a step each, so that lanes work side by side
        waiting = [lane for lane in waiting if next(lane, None) is not None]


def _data_of(run: Run) -> _DataKey:
    return run.scaling, run.train_images


def _epochs(lane: _Lane, data: _Data, device: torch.device, on_epoch: OnEpoch) -> Iterator[int]:
    """Train a lane to its end; gives control back after each launched step."""
    run = lane.members[0].member.run
    images = len(data[_data_of(run)].train_labels)
    for epoch, orders, _ in orders_of(lane.states, range(run.epochs), images, device):
        yield from lane.engine.epoch(orders, epoch)
        results, seconds = lane.engine.results()
        for trained, result in zip(lane.members, results, strict=True):
            row = trained.add(result, epoch, seconds / len(results))
            if row is not None:
                on_epoch(trained.member, row)
        if all(trained.diverged for trained in lane.members):
            break
    for place, trained in enumerate(lane.members):
        if trained.diverged is None:
            trained.weights = lane.weights(place)


def _start(member: Member) -> tuple[nn.Sequential, torch.Tensor]:
    """Return a member's network as its own run would begin, and its random stream after that."""
    with torch.random.fork_rng(devices=[]):
        move_to_run(member.study, member.name)
        network = build_run(member.run, member.study.image_size)
        return network, torch.get_rng_state()


def _stacked_lane(
    part: list[Trained], data: _Data, device: torch.device, note: Note
) -> list[_Lane]:
    run, study = part[0].member.run, part[0].member.study
    starts = [_start(trained.member) for trained in part]
    stack = Stack([network.to(device) for network, _ in starts])
    learner = StackLearner(run, stack, FORWARD[part[0].method], study.precision)
    program = Program(learner, data[_data_of(run)], run)
    engine = Engine(program, _launches(program, note))
    return [_Lane(engine, part, [state for _, state in starts], stack.member)]


def _single_lanes(
    part: list[Trained], data: _Data, device: torch.device, note: Note
) -> list[_Lane]:
    return [_single_lane(trained, len(part), data, device, note) for trained in part]


def _single_lane(
    trained: Trained, lanes: int, data: _Data, device: torch.device, note: Note
) -> _Lane:
    run, study = trained.member.run, trained.member.study
    network, state = _start(trained.member)
    network.to(device)
    learner = SingleLearner(run, network, make_optimizer(run, network), study.precision)
    at_once = IMAGES_AT_ONCE // lanes
    program = Program(learner, data[_data_of(run)], run, at_once, study.seed)
    stream = torch.cuda.Stream(device) if device.type == "cuda" else None
    engine = Engine(program, _launches(program, note, stream), stream)

    def weights(place: int) -> dict[str, torch.Tensor]:
        state = network.state_dict()
        return {name: tensor.detach().to("cpu", copy=True) for name, tensor in state.items()}

    return _Lane(engine, [trained], [state], weights)


def _launches(program: Program, note: Note, stream: torch.cuda.Stream | None = None) -> Launches:
    """Capture a program on CUDA; elsewhere, and where that fails, launch it step by step."""
    if program.device.type != "cuda":
        return eager(program)
    try:
        return captured(program, stream)
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[0]
        note(f"Training step by step: the steps cannot be captured ({reason}).")
        return eager(program)
