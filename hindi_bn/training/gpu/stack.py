"""Several networks of one architecture as stacked tensors, learning at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional

from hindi_bn.study import Precision, Run
from hindi_bn.training.device import autocast
from hindi_bn.training.loop import make_optimizer
from hindi_bn.training.weights import WeightPair


class Stack:
    """Networks of one architecture, their tensors stacked.

    Parameters
    ----------
    networks
        At least one; their tensors are copied.

    Attributes
    ----------
    parameters, buffers
        By name in the network, (members, *shape).
    template
        One of the networks, for its layers; its tensors are not used.
    """

    def __init__(self, networks: Sequence[nn.Sequential]) -> None:
        self.members, self.template = len(networks), networks[0]
        self.parameters: dict[str, torch.Tensor] = {
            name: nn.Parameter(stacked)
            for name, stacked in _stacked([dict(n.named_parameters()) for n in networks]).items()
        }
        self.buffers = _stacked([dict(n.named_buffers()) for n in networks])

    def train(self, mode: bool = True) -> None:
        """Put the layers in train or eval mode."""
        self.template.train(mode)

    def member(self, index: int) -> dict[str, torch.Tensor]:
        """Return the state dict of one member, copied to the CPU."""
        tensors = self.parameters | self.buffers
        return {
            name: tensors[name][index].detach().to("cpu", copy=True)
            for name in self.template.state_dict()
        }


def _stacked(tensors: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {name: torch.stack([t[name].detach() for t in tensors]) for name in tensors[0]}


class StackLearner:
    """Several networks that learn at once; a `hindi_bn.training.gpu.program.Learner`.

    Parameters
    ----------
    run
        Optimiser and captured weights of all members.
    forward
        How the members are run: one of `hindi_bn.training.gpu.stacked_forward`.
    """

    def __init__(
        self,
        run: Run,
        stack: Stack,
        forward: Callable[[Stack], Callable[[torch.Tensor], torch.Tensor]],
        precision: Precision = "float32",
    ) -> None:
        self.lead: tuple[int, ...] = (stack.members,)
        self.stack = stack
        self.optimizer = make_optimizer(run, nn.ParameterList(stack.parameters.values()))
        self._forward, self._precision = forward(stack), precision
        layer = WeightPair(stack.template, run.capture).layer
        self._weight = stack.parameters[f"{layer}.weight"]
        self._pair = (run.capture.wx, run.capture.wy)

    def learn(
        self, images: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Make a step of every member: losses (members,), logits (members, batch, classes)."""
        self.stack.train()
        self.optimizer.zero_grad()
        with autocast(self._precision, images.device):
            logits = self._forward(images)
            each = functional.cross_entropy(
                logits.flatten(0, 1), labels.flatten(), reduction="none"
            )
        losses = each.view(labels.shape).mean(1)
        losses.sum().backward()  # a member's parameters reach its own loss only
        self.optimizer.step()
        return losses.detach(), logits.detach()

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """Evaluate all members on the same images: (members, batch, classes)."""
        self.stack.train(False)
        with autocast(self._precision, images.device):
            return self._forward(images.expand(*self.lead, *images.shape))

    def pair(self) -> torch.Tensor:
        """Return wx and wy of each member: (members, 2)."""
        weight = self._weight.detach().movedim(0, -1)  # (*shape, members)
        return torch.stack([weight[index] for index in self._pair], 1)

    def buffers(self) -> list[torch.Tensor]:
        """Return all stacked buffers."""
        return list(self.stack.buffers.values())
