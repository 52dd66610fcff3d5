"""Locally connected layers: receptive fields as in a convolution, without shared weights."""

import torch
from torch import nn
from torch.nn import functional


class LocallyConnected2d(nn.Module):
    """A convolution of stride 1 that has filters and biases of its own at every place.

    The maps are square, (batch, inputs, side, side), padded with zeros. `weight` is (places,
    outputs, inputs * kernel**2), `bias` (places, outputs); places in the order of rows. Both start
    as those of `nn.Conv2d` do, uniform up to 1 / sqrt(inputs * kernel**2).

    Source: LeCun 1989, "Generalization and network design strategies", networks Net-3 and Net-4.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, side: int, padding: int = 0) -> None:
        super().__init__()
        self.in_channels, self.out_channels = inputs, outputs
        self.kernel_size, self.padding, self.stride = kernel, padding, 1
        self.side = side + 2 * padding - kernel + 1  # of the maps that it gives
        fan = inputs * kernel**2
        self.weight = nn.Parameter(torch.empty(self.side**2, outputs, fan))
        self.bias = nn.Parameter(torch.empty(self.side**2, outputs))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(fan**-0.5), fan**-0.5)

    def filters(self) -> list[torch.Tensor]:
        """Return views, without gradient, of each place's filters: (outputs, inputs, k, k)."""
        shape = (self.in_channels, self.kernel_size, self.kernel_size)
        weights = self.weight.detach()
        return [weights[place].unflatten(1, shape) for place in range(len(weights))]

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (batch, inputs, side, side) to (batch, outputs, side, side)."""
        around = (0, 0, 0, 0, *[self.padding] * 4)
        padded = functional.pad(maps.permute(2, 3, 1, 0), around)  # (rows, columns, inputs, batch)
        side, offsets = self.side, range(self.kernel_size)
        seen = [padded[r : r + side, c : c + side] for r in offsets for c in offsets]
        patches = torch.stack(seen, 3).reshape(side**2, -1, len(maps))  # a third of unfold's time
        out = torch.baddbmm(self.bias.unsqueeze(2), self.weight, patches)
        return out.permute(2, 1, 0).reshape(len(maps), -1, side, side)


def as_filters(weights: torch.Tensor) -> torch.Tensor:
    """View a layer's weights as (filters, values): of a convolution, of each place, of a unit."""
    if weights.ndim == 4:  # noqa: PLR2004 - (filters, inputs, rows, columns)
        return weights.flatten(1)
    return weights.flatten(0, -2)
