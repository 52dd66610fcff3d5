"""The captured training's logic, on the CPU: its steps against the plain loop, bit for bit.

What needs a GPU is in test_cuda_device.py. Here graphs are pretended: a capture runs nothing, and a
replay runs the work that was captured.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny import epochs, graphed_epochs, tiny_digits, tiny_study
from torch import nn

from hindi_bn.errors import DivergedError
from hindi_bn.networks import build_run
from hindi_bn.study import Run, Study
from hindi_bn.training.gpu import graphs as cuda
from hindi_bn.training.gpu.graphs import (
    GraphTrainer,
    Launches,
    Stopwatch,
    eager,
    make_capturable,
    trainer_of,
    unchanged,
    warm_up,
)
from hindi_bn.training.gpu.program import Program, batch_means
from hindi_bn.training.loop import (
    PlainTrainer,
    TorchLearner,
    learner_of,
    make_optimizer,
    run_epochs,
)
from hindi_bn.training.rng import EpochRng, EpochRngs
from hindi_bn.training.tensors import Tensors, to_tensors

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


class PretendedGraph:
    """Stands for a captured graph: nothing runs before the first replay."""

    def __init__(
        self, work: Callable[[], None], parameters: Any, pool: object, stream: PretendedStream
    ) -> None:
        assert pool == "pool"
        assert isinstance(stream, PretendedStream)
        self._work = work

    def __call__(self) -> None:
        self._work()


class PretendedStream:
    """Stands for a CUDA stream."""

    def wait_stream(self, other: PretendedStream) -> None:
        assert isinstance(other, PretendedStream)


@pytest.fixture
def pretended_cuda(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """CUDA's streams and graphs, pretended; gives the streams that were worked on."""
    worked_on: list[object] = []

    @contextlib.contextmanager
    def stream(chosen: object) -> Iterator[None]:
        worked_on.append(chosen)
        yield

    monkeypatch.setattr(torch.cuda, "Stream", PretendedStream)
    monkeypatch.setattr(torch.cuda, "current_stream", PretendedStream)
    monkeypatch.setattr(torch.cuda, "stream", stream)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: "pool")
    monkeypatch.setattr(cuda, "_Graph", PretendedGraph)
    return worked_on


class Training:
    """A run's network, optimiser and data, always from the same random stream."""

    def __init__(self, study: Study, name: str = "bn") -> None:
        self.run, self.precision = study.run(name), study.precision
        torch.manual_seed(7)
        self.network = build_run(self.run)
        self.optimizer = make_optimizer(self.run, self.network)
        self.data = to_tensors(tiny_digits(), self.run.scaling, CPU)

    def rows(self, loop: Callable[..., Any], **more: Any) -> list[dict[str, Any]]:
        """Rows without seconds, and the random stream's state after each epoch."""
        rows = []
        for row in loop(
            self.run, self.network, self.optimizer, self.data, precision=self.precision, **more
        ):
            told = asdict(row) | {"stream": torch.get_rng_state().sum().item()}
            assert told.pop("seconds") > 0
            rows.append(told)
        return rows

    def program(self) -> Program:
        return Program(TorchLearner(self.network, self.optimizer), self.data, self.run)

    def state(self) -> list[torch.Tensor]:
        """Everything that training changes, copied."""
        kept = [t for s in self.optimizer.state.values() for t in s.values() if t is not None]
        return [tensor.clone() for tensor in (*self.network.state_dict().values(), *kept)]


SETTINGS: list[Any] = [
    {},  # 70 images in batches of 32: the last one has 6
    {"momentum": 0.9},
    {"optimizer": "adam"},
    {"norm": "batch-renorm", "dropout": 0.3},
    {"norm": "spectral", "recordings__pair__layer": "last-conv"},
    {"batch_size": 100, "test_batch_size": 7},  # one step an epoch; the last test batch has 5
    {"batch_size": 35},  # no smaller last batch
    pytest.param({"precision": "bf16"}, marks=pytest.mark.slow),  # a CPU emulates it
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_captured_steps_give_the_plain_loops_bits(
    settings: dict[str, Any], pretended_cuda: list[object]
) -> None:
    """Only the test loss may differ, in its last bits: its batches are evaluated together."""
    study = tiny_study(lr=0.01, **settings)
    plain = Training(study)
    expected = plain.rows(epochs)
    ours = Training(study)
    rows = ours.rows(graphed_epochs)
    for ours_row, row in zip(rows, expected, strict=True):
        assert ours_row.pop("test_loss") == pytest.approx(row.pop("test_loss"), rel=2e-6)
        assert ours_row == row
    for tensor, other in zip(ours.state(), plain.state(), strict=True):
        assert torch.equal(tensor, other)


def test_a_resumed_captured_run_goes_on_bit_for_bit(pretended_cuda: list[object]) -> None:
    study = tiny_study(epochs=4, lr=0.01, optimizer="adam")
    whole = Training(study)
    expected = whole.rows(graphed_epochs)
    parted = Training(study)
    loop = graphed_epochs(parted.run, parted.network, parted.optimizer, parted.data)
    first = [asdict(next(loop)), asdict(next(loop))]
    rest = list(
        graphed_epochs(
            parted.run, parted.network, parted.optimizer, parted.data, first=2, seconds=100.0
        )
    )
    assert [row["train_loss"] for row in first] == [r["train_loss"] for r in expected[:2]]
    assert [(row.epoch, row.train_loss) for row in rest] == [
        (r["epoch"], r["train_loss"]) for r in expected[2:]
    ]
    assert rest[0].seconds > 100
    for tensor, other in zip(parted.state(), whole.state(), strict=True):
        assert torch.equal(tensor, other)


def test_steps_are_told_when_they_are_launched() -> None:
    told: list[tuple[int, int]] = []
    Training(tiny_study(epochs=1)).rows(
        graphed_epochs, launch=eager, on_step=lambda done, steps: told.append((done, steps))
    )
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_nothing_is_read_between_an_epochs_first_step_and_its_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A read would wait for the device; on the CPU it shows as a call."""

    def refuse(*arguments: object) -> None:
        raise AssertionError("a value was read")

    training = Training(tiny_study(epochs=1))
    program = training.program()
    trainer = GraphTrainer(program, eager(program))
    order, told = torch.randperm(70), list[int]()
    with monkeypatch.context() as patched:
        for name in ("item", "tolist", "cpu", "numpy", "__bool__", "__float__", "__int__"):
            patched.setattr(torch.Tensor, name, refuse)
        trainer.train(order, 0, lambda done, steps: told.append(done))
    assert told == [1, 2, 3]
    (result,), seconds = trainer.results()
    assert result.losses.shape == (3,)
    assert seconds > 0


def test_a_diverging_run_names_its_step_and_gives_no_row() -> None:
    for loop, more in ((epochs, {}), (graphed_epochs, {"launch": eager})):
        training = Training(tiny_study(lr=1e20, epochs=5), "no-bn")
        with pytest.raises(DivergedError) as caught:
            training.rows(loop, **more)
        assert (caught.value.epoch, caught.value.step) == (0, 1)


def test_a_cuda_run_is_captured_and_what_cannot_be_is_trained_step_by_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def pretended(program: Program) -> Launches:
        return eager(program)

    def refuse(program: Program) -> Launches:
        raise RuntimeError("operation not permitted when stream is capturing\nlong details")

    notes: list[str] = []

    def rows(on_cuda: bool) -> tuple[str, list[dict[str, Any]]]:
        training = Training(tiny_study(epochs=2))
        data = training.data
        images = len(data.train_labels)
        if on_cuda:  # its labels say that they are on a device that is not there
            labels: Any = SimpleNamespace(device=torch.device("cuda"))
            data = replace(data, train_labels=labels)
            monkeypatch.setattr(
                cuda, "graph_trainer", partial(graph_trainer_on, training.data, cuda.captured)
            )
            monkeypatch.setattr(cuda, "PlainTrainer", partial(plain_trainer_on, training.data))
        learner = learner_of(training.run, training.network, training.optimizer)
        trainer = trainer_of(learner, data, training.run, notes.append)
        found = [asdict(row) for row in run_epochs(training.run, trainer, images)]
        return type(trainer).__name__, [row | {"seconds": 0} for row in found]

    expected = rows(on_cuda=False)
    assert expected[0] == "PlainTrainer"
    monkeypatch.setattr(cuda, "captured", pretended)
    assert rows(on_cuda=True)[0] == "GraphTrainer"
    assert notes == []
    monkeypatch.setattr(cuda, "captured", refuse)
    assert rows(on_cuda=True) == expected
    assert notes == [
        "Training step by step: the steps of 'bn' cannot be captured "
        "(operation not permitted when stream is capturing)."
    ]


def graph_trainer_on(
    data: Tensors, launch: Any, learner: TorchLearner, _: Tensors, *more: Any
) -> Any:
    return cuda.GraphTrainer(program := Program(learner, data, more[0]), launch(program))


def plain_trainer_on(data: Tensors, learner: TorchLearner, _: Tensors, run: Run) -> Any:
    return PlainTrainer(learner, data, run)


@pytest.mark.parametrize(
    "settings",
    [{}, {"momentum": 0.5}, {"optimizer": "adam"}, {"norm": "batch-renorm", "dropout": 0.5}],
    ids=str,
)
def test_warming_up_leaves_no_trace(settings: dict[str, Any]) -> None:
    training = Training(tiny_study(epochs=2, **settings))
    before = [tensor.clone() for tensor in training.network.state_dict().values()]
    stream = torch.get_rng_state()
    warm_up(training.program())
    for tensor, other in zip(training.network.state_dict().values(), before, strict=True):
        assert torch.equal(tensor, other)
    assert all(not t.any() for t in training.state()[len(before) :])  # the optimiser starts at 0
    assert all(p.grad is None for p in training.network.parameters())
    assert torch.equal(torch.get_rng_state(), stream)


def test_state_that_an_optimiser_already_has_is_kept() -> None:
    training = Training(tiny_study(epochs=1, momentum=0.5))
    training.rows(epochs)
    before = training.state()
    assert len(before) > len(training.network.state_dict())
    with unchanged(TorchLearner(training.network, training.optimizer)):
        training.rows(epochs)
        assert any(not torch.equal(a, b) for a, b in zip(training.state(), before, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(training.state(), before, strict=True))


def test_adam_keeps_its_count_of_steps_on_the_device() -> None:
    """torch allows it on CUDA alone, so parameters that say they are there stand for them."""

    class OnCuda:
        is_cuda, device = True, torch.device("meta")

    state = {"step": torch.tensor(3.0), "name": "kept as it is"}
    adam = SimpleNamespace(
        param_groups=[{"params": [OnCuda()], "capturable": False}], state={OnCuda(): state}
    )
    make_capturable(adam)  # type: ignore[arg-type]
    assert adam.param_groups[0]["capturable"] is True
    assert state["step"].device.type == "meta"  # type: ignore[union-attr]
    assert state["name"] == "kept as it is"
    here = torch.optim.Adam([nn.Parameter(torch.zeros(2))])
    make_capturable(here)
    assert here.param_groups[0]["capturable"] is False


def test_a_graphs_gradients_come_back_with_its_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    replayed: list[str] = []
    monkeypatch.setattr(
        torch.cuda, "CUDAGraph", lambda: SimpleNamespace(replay=lambda: replayed.append("replay"))
    )
    monkeypatch.setattr(torch.cuda, "graph", lambda graph, pool, stream: contextlib.nullcontext())
    weight = nn.Parameter(torch.zeros(2))

    def work(value: float) -> Callable[[], None]:
        def backward() -> None:
            weight.grad = torch.full((2,), value)

        return backward

    own: Any = PretendedStream()
    first, second = (cuda._Graph(work(value), [weight], "pool", own) for value in (1.0, 2.0))
    for graph, value in ((first, 1.0), (second, 2.0), (first, 1.0)):
        graph()
        assert weight.grad is not None
        assert weight.grad.tolist() == [value, value]
    assert replayed == ["replay"] * 3


def test_on_cuda_time_is_taken_by_events(monkeypatch: pytest.MonkeyPatch) -> None:
    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing
            self.recorded = False

        def record(self) -> None:
            self.recorded = True

        def elapsed_time(self, end: Event) -> float:
            assert self.recorded
            assert end.recorded
            return 2500.0

    monkeypatch.setattr(torch.cuda, "Event", Event)
    watch = Stopwatch(torch.device("cuda"))
    watch.mark(0)
    watch.mark(1)
    assert watch.seconds() == 2.5


def test_several_streams_draw_what_each_draws_by_itself() -> None:
    states = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        states.append(torch.get_rng_state())
    torch.manual_seed(3)
    untouched = torch.get_rng_state()
    streams = EpochRngs(states)
    drawn = [streams.begin(50) for _ in range(3)]
    assert torch.equal(torch.get_rng_state(), untouched)
    for place, seed in enumerate((1, 2)):
        torch.manual_seed(seed)
        for orders in drawn:
            stream = EpochRng()
            assert torch.equal(orders[place], stream.begin(50))
            stream.end()


def test_the_means_of_batches_by_hand() -> None:
    losses = torch.tensor([[1.0, 3.0, 5.0, 7.0, 10.0], [0.0, 2.0, 4.0, 4.0, 8.0]])
    assert batch_means(losses, 2).tolist() == [[2.0, 6.0, 10.0], [1.0, 4.0, 8.0]]
    assert batch_means(losses[:, :4], 2).tolist() == [[2.0, 6.0], [1.0, 4.0]]
    assert batch_means(losses[0], 8).tolist() == [pytest.approx(5.2)]


def test_test_images_in_any_portions_give_the_same_result() -> None:
    training = Training(tiny_study(test_batch_size=8))
    results = []
    for at_once in (1, 20, 10_000):  # 8, 16 and all 40 of them
        learner = TorchLearner(training.network, training.optimizer)
        program = Program(learner, training.data, training.run, at_once)
        program.evaluate()
        results.append(program.results()[0])
    for result in results[1:]:
        assert result.test_loss == pytest.approx(results[0].test_loss, rel=1e-6)
        assert result.test_accuracy == results[0].test_accuracy


def test_double_precision_data_is_kept_in_double_precision() -> None:
    training = Training(tiny_study())
    data = training.data
    doubles = Tensors(
        data.train_images.double(), data.train_labels, data.test_images.double(), data.test_labels
    )
    network = training.network.double()
    learner = TorchLearner(network, training.optimizer)
    program = Program(learner, doubles, training.run)
    trainer = GraphTrainer(program, eager(program))
    trainer.train(torch.randperm(70), 0, lambda done, steps: None)
    (result,), _ = trainer.results()
    assert result.losses.dtype == torch.float64
    assert not torch.equal(result.losses, result.losses.float().double())
