"""A spatial transformer: a layer that turns, enlarges and moves each image as it has learned."""

import torch
from torch import nn

from hindi_bn.errors import StudyError

SMALLEST = 16


class SpatialTransformer(nn.Module):
    """Shows a network an affine picture of each image, whose six numbers it reads from the image.

    The localisation network that gives the numbers has two convolutions of 8 and 10 filters, 5 x 5,
    with max-pooling, and 32 hidden units. Beyond the image its border goes on: black is not 0 in
    every scaling.

    Source: Jaderberg, Simonyan, Zisserman, Kavukcuoglu 2015, arXiv 1506.02025; the sizes are ours.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        if side < SMALLEST:
            raise StudyError(
                f"A spatial transformer cannot take {side} x {side} images.",
                f"Its localisation network needs at least {SMALLEST} x {SMALLEST} pixels.",
                "choose larger images, or set transformer: false",
            )
        last = ((side - 4) // 2 - 4) // 2  # 5; 4 on 28 x 28, 1 on 16 x 16
        self.localisation = nn.Sequential(
            nn.Conv2d(1, 8, 5), nn.MaxPool2d(2), nn.ReLU(),  # (batch, 8, 14, 14)
            nn.Conv2d(8, 10, 5), nn.MaxPool2d(2), nn.ReLU(),  # (batch, 10, 5, 5)
            nn.Flatten(), nn.Linear(10 * last * last, 32), nn.ReLU(), nn.Linear(32, 6),
        )  # fmt: skip

    def begin(self) -> None:
        """Let it start as the identity, whatever the image; the other weights stay."""
        last = self.localisation[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        with torch.no_grad():
            last.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Transform images (batch, 1, side, side); the shape stays."""
        numbers = self.localisation(images).to(images.dtype).view(-1, 2, 3, 1)
        side = images.shape[-1]
        # Middles of the pixels from -1 to 1, as torch's affine_grid has them.
        middles = (2 * torch.arange(side, dtype=images.dtype, device=images.device) + 1) / side - 1
        x, y = middles.repeat(side), middles.repeat_interleave(side)  # (side**2,)
        places = numbers[:, :, 0] * x + numbers[:, :, 1] * y + numbers[:, :, 2]
        return bilinear(images, ((places + 1) * side - 1) / 2)


def bilinear(images: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Take images (batch, 1, side, side) at places (batch, 2, side**2): column and row in pixels.

    The values are those of torch's `grid_sample` with `padding_mode="border"`, which has no
    deterministic gradient on CUDA, no second one, and cannot be stacked.
    """
    side, flat = images.shape[-1], images.flatten(1)
    places = places.clamp(0, side - 1)
    corners = places.detach().floor().clamp(max=side - 2)
    right, down = (places - corners).unbind(1)
    column, row = corners.long().unbind(1)
    first = row * side + column
    upper, lower = (
        torch.lerp(flat.gather(1, left), flat.gather(1, left + 1), right)
        for left in (first, first + side)
    )
    return torch.lerp(upper, lower, down).view_as(images)
