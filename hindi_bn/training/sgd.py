"""Stochastic gradient descent in plain tensor operations, with the bits of torch's.

`torch.optim.SGD` imports torch's compiler when it is made: 1.6 s and 120 MB on the machine of
docs/performance.md, for a training on the CPU that compiles nothing. It also spends 0.1 ms per step
on its bookkeeping. On CUDA torch's is used, whose updates are fused into few kernels.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn


class PlainSGD(torch.optim.Optimizer):
    """SGD with momentum on the CPU: the updates of `torch.optim.SGD`, bit for bit."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float, momentum: float = 0.0
    ) -> None:
        # Not torch's constructor: it is what imports the compiler.
        self.defaults: dict[str, Any] = {"lr": lr, "momentum": momentum}
        self.param_groups: list[dict[str, Any]] = [self.defaults | {"params": list(parameters)}]
        self.state: defaultdict[torch.Tensor, Any] = defaultdict(dict)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad.zero_()

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take a step against the gradients."""
        (group,) = self.param_groups
        with torch.no_grad():
            for parameter in group["params"]:
                if parameter.grad is not None:
                    change = self._smoothed(parameter, group["momentum"])
                    parameter.add_(change, alpha=-group["lr"])

    def state_dict(self) -> dict[str, Any]:
        """Return state and settings in the form of torch's optimisers."""
        (group,) = self.param_groups
        state = {i: dict(self.state[p]) for i, p in enumerate(self._parameters) if self.state[p]}
        places = list(range(len(self._parameters)))
        return {"state": state, "param_groups": [{**group, "params": places}]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave; ValueError when it is of other parameters."""
        state = state_dict["state"]
        if not set(state) <= set(range(len(self._parameters))):
            raise ValueError(f"it has state of {len(state)} other parameters")
        for place, entries in state.items():
            parameter = self._parameters[place]
            self.state[parameter] = {k: v.to(parameter, copy=True) for k, v in entries.items()}

    @property
    def _parameters(self) -> list[nn.Parameter]:
        return list(self.param_groups[0]["params"])

    def _smoothed(self, parameter: nn.Parameter, momentum: float) -> torch.Tensor:
        gradient = parameter.grad
        assert gradient is not None
        if momentum == 0:
            return gradient
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = gradient.clone()
            return gradient
        buffer: torch.Tensor = state["momentum_buffer"]
        return buffer.mul_(momentum).add_(gradient)
