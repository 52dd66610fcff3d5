"""What tests train by the engine: natively, and as WebAssembly by wasmtime."""

from __future__ import annotations

import ctypes
import hashlib
from typing import Any

import torch
from tiny import tiny_study
from torch import nn

from hindi_bn.engine.learner import EngineLearner, _tensors_of, shape_of
from hindi_bn.engine.library import BUILT, Shape
from hindi_bn.networks import build_run
from hindi_bn.study import Run
from hindi_bn.training.loop import make_optimizer

Batch = tuple[torch.Tensor, torch.Tensor]


def run_of(**settings: Any) -> Run:
    """A run of the article's network; keys as in `--set`, `__` for a dot."""
    return tiny_study(**{"batch_size": 32, **settings}).runs[0]


def network_of(run: Run, seed: int = 0, side: int = 32) -> nn.Sequential:
    torch.manual_seed(seed)
    return build_run(run, side)


def learner_of(run: Run, network: nn.Sequential, threads: int = 1, lanes: int = 0) -> EngineLearner:
    return EngineLearner(run, network, make_optimizer(run, network), threads=threads, lanes=lanes)


def batches(sizes: list[int], side: int = 32, seed: int = 1) -> list[Batch]:
    """Grey images with values of 1/255 and labels, from torch's integers alone."""
    generator = torch.Generator().manual_seed(seed)
    return [
        (
            torch.randint(0, 256, (size, 1, side, side), generator=generator) / 255,
            torch.randint(0, 10, (size,), generator=generator),
        )
        for size in sizes
    ]


def digest(network: nn.Module) -> str:
    """The sha256 of all parameters and running averages; NaN counts as one NaN."""
    whole = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        if tensor.is_floating_point():
            same = torch.where(tensor.isnan(), torch.tensor(float("nan")), tensor)
            whole.update(name.encode() + same.contiguous().numpy().tobytes())
    return whole.hexdigest()


class WasmLearner:
    """The engine as WebAssembly; its tensors are copies, which `give_back` writes to torch's."""

    def __init__(self, run: Run, network: nn.Sequential, side: int = 32) -> None:
        import wasmtime

        self._store = wasmtime.Store()
        module = wasmtime.Module.from_file(self._store.engine, str(BUILT / "engine.wasm"))
        exports: Any = wasmtime.Instance(self._store, module, []).exports(self._store)
        self._exports, self._memory, self._run = exports, exports["memory"], run
        self._tensors = _tensors_of(run, network, make_optimizer(run, network))
        shape = bytes(shape_of(run, network, 1))
        assert len(shape) == ctypes.sizeof(Shape)
        self._batch = self._place(b"\0" * (run.batch_size * (side * side * 4 + 8)))
        self._right = self._place(b"\0" * 4)
        self._placed = [
            [0 if t is None else self._place(t.detach().numpy().tobytes()) for t in tensors]
            for tensors in self._tensors
        ]
        lists = [self._place(self._words(addresses or [0])) for addresses in self._placed]
        self._at = self._place(self._words(lists))
        described = self._place(shape)
        size = exports["engine_bytes"](self._store, described)
        self._engine = self._place(b"\0" * size)
        exports["engine_begin"](self._store, self._engine, described)

    def _place(self, content: bytes) -> int:
        """Put bytes on pages of their own, which start at a multiple of 64."""
        start = self._memory.data_len(self._store)
        self._memory.grow(self._store, -(-len(content) // 65536))
        self._memory.write(self._store, content, start)
        return int(start)

    @staticmethod
    def _words(numbers: list[int]) -> bytes:
        return b"".join(number.to_bytes(4, "little") for number in numbers)

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[float, int]:
        pixels = images.numpy().tobytes()
        self._memory.write(self._store, pixels + labels.numpy().tobytes(), self._batch)
        loss = self._exports["engine_step"](
            self._store, self._engine, self._at, self._batch, self._batch + len(pixels),
            len(labels), self._run.lr, self._run.momentum, 1, self._right,
        )  # fmt: skip
        right = self._memory.read(self._store, self._right, self._right + 4)
        return loss, int.from_bytes(right, "little")

    def give_back(self) -> None:
        for tensors, addresses in zip(self._tensors, self._placed, strict=True):
            for tensor, start in zip(tensors, addresses, strict=True):
                if tensor is not None:
                    content = self._memory.read(self._store, start, start + tensor.nbytes)
                    values = torch.frombuffer(bytearray(content), dtype=torch.float32)
                    tensor.data.copy_(values.view(tensor.shape))
