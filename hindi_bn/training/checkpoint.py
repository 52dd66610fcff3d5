"""A run's state as named tensors: network, optimiser and the CPU's random state."""

import torch
from torch import nn

from hindi_bn.errors import RunError


def snapshot(network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Return what a run goes on with: `network.<name>`, `optimizer.<index>.<key>`, `random`."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    for index, entries in optimizer.state_dict()["state"].items():
        for key, value in entries.items():
            if value is not None:
                tensors[f"optimizer.{index}.{key}"] = torch.as_tensor(value)
    return tensors | {"random": torch.get_rng_state()}


def restore(
    tensors: dict[str, torch.Tensor], network: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Put a snapshot back; RunError when the tensors are another network's."""
    weights: dict[str, torch.Tensor] = {}
    entries: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "network":
            weights[rest] = value
        elif kind == "optimizer":
            index, _, key = rest.partition(".")
            entries.setdefault(int(index), {})[key] = value
    try:
        network.load_state_dict(weights)
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": entries, "param_groups": groups})
    except (RuntimeError, ValueError) as error:
        raise RunError(
            "The checkpoint belongs to another network.",
            str(error).splitlines()[0],
            "start this run again with --overwrite",
        ) from error
    torch.set_rng_state(tensors["random"])
