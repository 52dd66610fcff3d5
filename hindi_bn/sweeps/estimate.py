"""What a sweep will cost: steps of each of its networks, measured for a moment."""

import itertools
import time
from dataclasses import dataclass

import torch

from hindi_bn.digits import Digits
from hindi_bn.engine import numerics_of, refuse
from hindi_bn.errors import StudyError
from hindi_bn.networks import build_run, check
from hindi_bn.networks.preserved import preserved
from hindi_bn.study import Study, batches
from hindi_bn.sweeps.run import Plan
from hindi_bn.sweeps.store import RunStore, SweepRun
from hindi_bn.training.augment import Augmenter
from hindi_bn.training.device import choose_device, prepare
from hindi_bn.training.loop import learner_of, make_optimizer, train_epoch
from hindi_bn.training.tensors import run_tensors, training_digits

WARM_UP = 2
STEPS = 6
NOT_COUNTED = {"name", "lr", "epochs", "momentum", "init", "recordings"}
"""Settings of a run that a step's time does not depend on, or hardly."""


@dataclass(frozen=True)
class ArmPlan:
    """What is to be done for an arm: of its `runs`, `done` have a result.

    The seconds are for one thread, or the device; None when nothing is left, or when the settings
    are `refused`, with the reason.
    """

    arm: str
    seeds: tuple[int, ...]
    done: int
    runs: int
    seconds_per_epoch: float | None
    refused: str = ""


@dataclass(frozen=True)
class Estimate:
    """What a sweep will cost, with as many runs side by side as `workers`."""

    arms: tuple[ArmPlan, ...]
    todo: int
    epochs_left: int
    seconds: float
    workers: int


def estimate(plan: Plan, store: RunStore, workers: int, *, retry_failed: bool = False) -> Estimate:
    """Measure a few steps of every distinct network that is left to train; nothing is written."""
    todo = plan.todo(store, retry_failed=retry_failed)
    costs: dict[str, float | StudyError] = {}
    left, seconds = 0, 0.0
    for run in todo:
        begun = store.status(run) == "unfinished"
        epochs = run.cell.run.epochs - (store.epochs_done(run) if begun else 0)
        cost = _cost(run, plan, costs)
        if not isinstance(cost, StudyError):
            left += epochs
            seconds += epochs * cost
    side_by_side = max(1, min(workers, len(todo)))
    keys = {run.key for run in todo}
    waiting = {run.name for run in plan.runs if run.key in keys and store.found(run) is None}
    arms = tuple(
        _arm(list(runs), plan, waiting, costs)
        for _, runs in itertools.groupby(plan.runs, lambda run: run.cell.arm)
    )
    return Estimate(arms, len(todo), left, seconds / side_by_side, side_by_side)


def _arm(
    runs: list[SweepRun], plan: Plan, left: set[str], costs: dict[str, float | StudyError]
) -> ArmPlan:
    waiting = [run for run in runs if run.name in left]
    cost = _cost(waiting[0], plan, costs) if waiting else None
    refused = cost.what if isinstance(cost, StudyError) else ""
    seconds = cost if isinstance(cost, float) else None
    seeds, done = tuple(run.cell.seed for run in runs), len(runs) - len(waiting)
    return ArmPlan(runs[0].cell.arm, seeds, done, len(runs), seconds, refused)


def _cost(run: SweepRun, plan: Plan, costs: dict[str, float | StudyError]) -> float | StudyError:
    """Return the seconds of an epoch, measured once for all runs whose steps are alike."""
    study = run.cell.study
    alike = run.cell.run.model_dump_json(exclude=NOT_COUNTED)
    alike += f"{study.data} {study.precision} {study.numerics} {study.device}"
    if alike not in costs:
        try:
            costs[alike] = seconds_per_epoch(study, plan.digits[study.data])
        except StudyError as error:
            costs[alike] = error
    return costs[alike]


def seconds_per_epoch(study: Study, digits: Digits) -> float:
    """Estimate an epoch of the study's first run from a few steps and test batches.

    Trained as the run would be, on one thread of the CPU or step by step on another device; the
    caller's rng and threads stay as they were. StudyError when the run cannot be trained.
    """
    run, threads = study.runs[0], torch.get_num_threads()
    digits = training_digits(digits, run)
    images = len(digits.train_labels)
    check(run, images, study.image_size)
    refuse(study, run)
    device = choose_device(study.device)
    with preserved():
        prepare(1, device, study.precision)
        try:
            augmentation, step, test = _measure(study, digits, device)
        finally:
            torch.set_num_threads(threads)
    tests = batches(len(digits.test_labels), run.test_batch_size)
    return augmentation + batches(images, run.batch_size) * step + tests * test


def _measure(study: Study, digits: Digits, device: torch.device) -> tuple[float, float, float]:
    """Return the seconds of an epoch's augmentation, of a training step and of a test batch."""
    run = study.runs[0]
    network = build_run(run, study.image_size).to(device)
    data, optimizer = run_tensors(digits, run, device), make_optimizer(run, network)
    numerics = numerics_of(study, run)
    learner = learner_of(run, network, optimizer, study.precision, numerics)
    began = time.perf_counter()
    shown = Augmenter(data, run.augment, study.seed).tensors(0)
    times = [time.perf_counter() - began]
    for steps in (WARM_UP, STEPS):
        order = torch.arange(steps * run.batch_size, device=device) % len(data.train_labels)
        began = time.perf_counter()
        train_epoch(learner, shown, order, run.batch_size, lambda done, all_: None)
        times.append((time.perf_counter() - began) / steps)
    tested = min(STEPS * run.test_batch_size, len(data.test_labels))
    began = time.perf_counter()
    learner.evaluate(data.test_images[:tested], data.test_labels[:tested], run.test_batch_size)
    test = (time.perf_counter() - began) / batches(tested, run.test_batch_size)
    return times[0], times[-1], test
