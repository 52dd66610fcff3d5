"""Augmentation: training images that each epoch shows anew, cropped, enlarged or rotated at random.

The transforms are those of `torchvision.transforms.v2`, `RandomResizedCrop(size, scale=(0.5, 1),
ratio=(0.9, 1.1))` and `RandomRotation(30, InterpolationMode.BILINEAR)`, with parameters drawn for
each image as v2 draws them. v2 transforms a batch with one set of parameters, and an image alone
in some 0.1 ms; here all images of an epoch are sampled together. A crop is never larger than the
image, so that it is enlarged and antialiasing, which v2 does when it shrinks, has nothing to do.
`enlarge` is ours: about the image's middle, as `hindi_bn.measures.shifted_digits` enlarges.
"""

import hashlib
import math
from dataclasses import dataclass, replace

import torch
from torch.nn import functional

from hindi_bn.study import Augment
from hindi_bn.training.tensors import Tensors

AREA = (0.5, 1.0)  # share of the image that a crop keeps
RATIO = (0.9, 1.1)  # of a crop's width to its height
DEGREES = 30.0  # largest rotation, either way
FACTORS = (1.0, 1.5)  # of an enlargement about the middle
ATTEMPTS = 10  # draws of a crop until one fits into the image; if none does the whole is taken
AT_ONCE = 512  # images sampled at once: enough for a vector unit, few enough for its caches


@dataclass(frozen=True)
class Augmenter:
    """Gives a run's training images as each epoch shows them.

    Everything is drawn from a generator of its own, seeded by seed and epoch: the stream that
    shuffles the images stays as it is, and a resumed run sees what an uninterrupted one sees.
    """

    data: Tensors
    augment: Augment
    seed: int

    def images(self, epoch: int) -> torch.Tensor:
        """Return the epoch's training images (n, 1, side, side); without transforms the data's."""
        images = self.data.train_images
        if self.augment == "none":
            return images
        digest = hashlib.sha256(f"augment {self.seed} {epoch}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        count, side = len(images), images.shape[-1]
        crops, angles = draw_crops(count, side, generator), draw_angles(count, generator)
        factors = draw_factors(count, generator)
        drawn = (each.to(images.device).split(AT_ONCE) for each in (crops, angles, factors))
        parts = zip(images.split(AT_ONCE), *drawn, strict=True)
        return torch.cat([self._augmented(*part) for part in parts])

    def _augmented(
        self,
        images: torch.Tensor,
        crops: torch.Tensor,
        angles: torch.Tensor,
        factors: torch.Tensor,
    ) -> torch.Tensor:
        images = images - self.data.background  # to 0, which sampling finds outside an image
        if "crop" in self.augment:
            images = resized_crops(images, crops)
        rotated = angles if "rotate" in self.augment else torch.zeros_like(angles)
        if "enlarge" in self.augment:
            images = rotations(images, rotated, factors)
        elif "rotate" in self.augment:
            images = rotations(images, rotated)
        return images + self.data.background

    def tensors(self, epoch: int) -> Tensors:
        """Return the run's tensors with the epoch's training images."""
        if self.augment == "none":
            return self.data
        return replace(self.data, train_images=self.images(epoch))


def draw_crops(count: int, side: int, generator: torch.Generator) -> torch.Tensor:
    """Draw crops of square images, as `RandomResizedCrop` does.

    Area and logarithm of the ratio are uniform; of the draws whose rounded sides fit into the
    image the first counts, and its place is uniform. Gives top, left, height and width in pixels,
    int64 (count, 4).
    """
    draws = torch.rand(2, ATTEMPTS, count, generator=generator, dtype=torch.float64)
    area = side**2 * (AREA[0] + (AREA[1] - AREA[0]) * draws[0])
    low, high = (math.log(ratio) for ratio in RATIO)
    ratio = (low + (high - low) * draws[1]).exp()
    sides = torch.stack([(area / ratio).sqrt(), (area * ratio).sqrt()]).round().long()
    fitting = (sides <= side).all(0)  # (attempts, count)
    first = fitting.int().argmax(0).expand(2, 1, count)
    chosen = sides.gather(1, first)[:, 0].where(fitting.any(0), torch.tensor(side))
    free = side - chosen + 1  # (2, count)
    places = torch.rand(2, count, generator=generator, dtype=torch.float64) * free
    return torch.cat([places.long(), chosen]).T


def draw_angles(count: int, generator: torch.Generator) -> torch.Tensor:
    """Draw rotations as `RandomRotation` does: degrees counter-clockwise, float64 (count,)."""
    return DEGREES * (2 * torch.rand(count, generator=generator, dtype=torch.float64) - 1)


def draw_factors(count: int, generator: torch.Generator) -> torch.Tensor:
    """Draw factors of an enlargement, uniform: float64 (count,)."""
    smallest, largest = FACTORS
    drawn = torch.rand(count, generator=generator, dtype=torch.float64)
    return smallest + (largest - smallest) * drawn


def resized_crops(images: torch.Tensor, crops: torch.Tensor) -> torch.Tensor:
    """Enlarge a crop (n, 4) of each image (n, channels, side, side) to its size, bilinearly."""
    side = images.shape[-1]
    pixels = torch.arange(side, device=crops.device)
    middles = (pixels + 0.5) / side  # of the new pixels, as shares of the crop
    places, lengths = crops[:, :2, None], crops[:, 2:, None]  # (n, 2, 1)
    # Beyond a crop's outermost pixels their values go on, as v2 has it.
    within = (middles * lengths - 0.5).clamp(min=0).minimum(lengths - 1)
    sampled = places + within  # (n, 2, side): rows and columns of the image
    rows, columns = sampled.float().unbind(1)
    shape = (len(images), side, side)
    grid = torch.stack([columns[:, None, :].expand(shape), rows[:, :, None].expand(shape)], -1)
    return _sample(images, grid)


def rotations(
    images: torch.Tensor, degrees: torch.Tensor, factors: torch.Tensor | None = None
) -> torch.Tensor:
    """Rotate images (n, channels, side, side) by degrees (n,), counter-clockwise; outside is 0.

    With factors (n,) they are enlarged too; both about the middle.
    """
    side = images.shape[-1]
    centre = (side - 1) / 2
    offsets = torch.arange(side, device=degrees.device) - centre
    y, x = torch.meshgrid(offsets, offsets, indexing="ij")
    if factors is not None:
        size = factors.float()[:, None, None]
        y, x = y / size, x / size
    angle = torch.deg2rad(degrees).float()[:, None, None]
    columns = angle.cos() * x - angle.sin() * y + centre
    rows = angle.sin() * x + angle.cos() * y + centre
    return _sample(images, torch.stack([columns, rows], -1))


def _sample(images: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Take images at places (n, height, width, 2): column and row, counted in pixels from 0."""
    grid = ((2 * places + 1) / images.shape[-1] - 1).to(images.dtype)
    return functional.grid_sample(images, grid, "bilinear", "zeros", align_corners=False)
