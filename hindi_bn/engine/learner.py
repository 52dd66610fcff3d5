"""A network that learns by the engine; its parameters stay torch's."""

import ctypes
import math
import threading
import weakref
from collections.abc import Sequence

import torch
from torch import nn

from hindi_bn.engine.library import Floats, Shape, Tensors, load
from hindi_bn.errors import StudyError
from hindi_bn.networks.table import kind_of
from hindi_bn.study import Run

ALIGNED = 128  # bytes, as in source/engine.c
MOST_THREADS = 8  # as many as there are groups of images
_NORMS = {"none": 0, "batch": 1}  # otherwise over an image


class EngineLearner:
    """A network of `hindi_bn.engine.choice` that learns by the engine.

    Parameters, running averages, gradients (`.grad`) and velocities (the optimiser's state) are
    torch's tensors, which the engine reads and writes in place: between two steps, torch sees what
    the engine made. They must not be exchanged for others meanwhile.
    """

    def __init__(
        self,
        run: Run,
        network: nn.Sequential,
        optimizer: torch.optim.Optimizer,
        *,
        threads: int = 1,
        lanes: int = 0,
    ) -> None:
        self.layers, self._run, self._library = network, run, load(lanes)
        threads = min(threads, MOST_THREADS)
        shape = shape_of(run, network, threads)
        self._side = shape.side
        memory = torch.zeros(self._library.engine_bytes(shape) + ALIGNED, dtype=torch.uint8)
        self._engine = -(-memory.data_ptr() // ALIGNED) * ALIGNED
        self._library.engine_begin(self._engine, shape)
        tensors = _tensors_of(run, network, optimizer)
        addresses = [_addresses(each) for each in tensors]
        self._kept = memory, tensors, addresses
        self._tensors = Tensors(*(ctypes.cast(each, Floats) for each in addresses))
        self._steps = [b for name, b in network.named_buffers() if "num_batches" in name]
        for thread in range(1, threads):
            _start(self._library, self._engine, thread, memory)
        weakref.finalize(self, _end, self._library, self._engine, memory)

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[float, int]:
        """Make a step on images (batch, 1, side, side) and labels (batch,), from 0 to 9.

        Gives the mean loss before the step, and the number of right answers.
        """
        images, labels = self._readable(images, labels, self._run.batch_size)
        right = ctypes.c_int32()
        loss = self._library.engine_step(
            self._engine, self._tensors, images.data_ptr(), labels.data_ptr(), len(labels),
            self._run.lr, self._run.momentum, 1, right,
        )  # fmt: skip
        for steps in self._steps:
            steps.add_(1)
        return float(loss), right.value

    def evaluate(
        self, images: torch.Tensor, labels: torch.Tensor, batch_size: int
    ) -> tuple[float, float]:
        """Return loss (the mean over batches) and accuracy over all images in eval mode."""
        losses: list[float] = []
        right = 0
        logits, hits = torch.empty(batch_size, 10), ctypes.c_int32()
        for pair in zip(images.split(batch_size), labels.split(batch_size), strict=True):
            batch, expected = self._readable(*pair, self._run.test_batch_size)
            losses.append(self._library.engine_evaluate(
                self._engine, self._tensors, batch.data_ptr(), expected.data_ptr(), len(batch),
                not losses, logits.data_ptr(), hits,
            ))  # fmt: skip
            right += hits.value
        return sum(losses) / len(losses), right / len(labels)

    def look(
        self, images: torch.Tensor, labels: torch.Tensor, *, read: bool = True
    ) -> tuple[float, int]:
        """Return mean loss and right answers of a batch in train mode; nothing is changed.

        `read` is False where the weights are those of the last call. StudyError where the library
        was compiled before it could do this.
        """
        images, labels = self._readable(images, labels, self._run.batch_size)
        right = ctypes.c_int32()
        if not hasattr(self._library, "engine_look"):
            raise StudyError(
                "The engine cannot take losses in train mode.",
                "Its library was compiled by an earlier version of hindi-bn.",
                "compile it again with `make engine`, or install hindi-bn again",
            )
        loss = self._library.engine_look(
            self._engine, self._tensors, images.data_ptr(), labels.data_ptr(), len(labels), read,
            right,
        )  # fmt: skip
        return float(loss), right.value

    def _readable(
        self, images: torch.Tensor, labels: torch.Tensor, most: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images and labels as the engine reads them; ValueError where they do not fit."""
        wanted = (len(labels), 1, self._side, self._side)
        if tuple(images.shape) != wanted or not 1 <= len(labels) <= most:
            raise ValueError(
                f"expected up to {most} images {wanted[1:]}, got {tuple(images.shape)}"
            )
        if images.dtype != torch.float32 or labels.dtype != torch.int64:
            raise ValueError(f"expected float32 and int64, got {images.dtype} and {labels.dtype}")
        return images.contiguous(), labels.contiguous()


def shape_of(run: Run, network: nn.Sequential, threads: int) -> Shape:
    """Return what the engine is told of a run's network."""
    norm, linear = run.norm, next(layer for layer in network if isinstance(layer, nn.Linear))
    side = 2 * math.isqrt(linear.in_features // 16)  # 16 channels, pooled to half the side
    groups = {"layer": 1, "instance": 16}.get(norm.name, getattr(norm, "groups", 1))
    return Shape(
        side, sum(isinstance(layer, nn.Conv2d) for layer in network),
        _NORMS.get(norm.name, 2), groups, run.placement == "after",
        any(isinstance(layer, nn.AvgPool2d) for layer in network), run.batch_size,
        run.test_batch_size, threads, getattr(norm, "eps", 0), getattr(norm, "momentum", 0),
    )  # fmt: skip


def _tensors_of(
    run: Run, network: nn.Sequential, optimizer: torch.optim.Optimizer
) -> list[list[torch.Tensor | None]]:
    """Return values, velocities, gradients and running averages in the engine's order."""
    convolutions = [layer for layer in network if isinstance(layer, nn.Conv2d)]
    norms: Sequence[nn.Module] = [x for x in network if kind_of(x) == "normalisation"]
    values: list[torch.Tensor | None] = []
    for place, layer in enumerate(convolutions):
        norm = norms[place] if norms else None
        values += [
            layer.weight,
            layer.bias,
            getattr(norm, "weight", None),
            getattr(norm, "bias", None),
        ]
    linear = next(layer for layer in network if isinstance(layer, nn.Linear))
    values += [linear.weight, linear.bias]
    velocities: list[torch.Tensor | None] = [None] * len(values)
    for place, value in enumerate(values):
        if value is None:
            continue
        value.grad = torch.zeros_like(value)
        if run.momentum:
            state = optimizer.state[value]
            velocities[place] = state.setdefault("momentum_buffer", torch.zeros_like(value))
    gradients = [None if value is None else value.grad for value in values]
    averages: list[torch.Tensor | None] = [
        getattr(norm, name, None) for norm in norms for name in ("running_mean", "running_var")
    ]
    return [values, velocities, gradients, averages]


def _addresses(tensors: Sequence[torch.Tensor | None]) -> "ctypes.Array[ctypes.c_void_p]":
    for tensor in tensors:
        assert tensor is None or (tensor.is_contiguous() and tensor.dtype == torch.float32)
    pointers = [None if tensor is None else tensor.data_ptr() for tensor in tensors]
    return (ctypes.c_void_p * len(pointers))(*pointers)


def _end(library: ctypes.CDLL, engine: int, memory: torch.Tensor) -> None:
    """Let the engine's threads end; they and this call keep its memory."""
    library.engine_end(engine)


def _start(library: ctypes.CDLL, engine: int, number: int, memory: torch.Tensor) -> None:
    """Start a thread that works for the engine until its end; it keeps the engine's memory."""

    def attend() -> None:
        library.engine_attend(engine, number)
        assert memory is not None

    threading.Thread(target=attend, name=f"engine-{number}", daemon=True).start()
