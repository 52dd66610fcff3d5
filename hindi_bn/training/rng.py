"""The notebook's random stream: torch's default CPU generator and the draws made from it.

In order, a run draws: the initial weights, as its layers are built; then in every epoch one int64
when the training loader's iterator is made (its base seed), one int64 that seeds the shuffle, and
one int64 when the test loader's iterator is made. The draws are made on the CPU on every device.
"""

from collections.abc import Sequence

import torch

from hindi_bn.networks import build_run
from hindi_bn.networks.preserved import preserved
from hindi_bn.study import Study


class EpochRng:
    """The draws of one epoch, in the order in which the notebook's loaders make them."""

    def begin(self, images: int) -> torch.Tensor:
        """Make the draws at an epoch's start: the images' order, int64 (images,) on the CPU."""
        draw_int64()  # base seed of the training loader's iterator
        shuffle = torch.Generator().manual_seed(draw_int64())
        return torch.randperm(images, generator=shuffle)

    def end(self) -> None:
        """Make the draw of the test loader's iterator."""
        draw_int64()


class EpochRngs:
    """The draws of several streams from these states; the default generator stays as it is."""

    def __init__(self, states: Sequence[torch.Tensor]) -> None:
        self._states = list(states)

    def begin(self, images: int) -> torch.Tensor:
        """Make an epoch's draws; the orders, int64 (streams, images) on the CPU."""
        orders = []
        with preserved():
            for place, state in enumerate(self._states):
                torch.set_rng_state(state)
                rng = EpochRng()
                orders.append(rng.begin(images))
                rng.end()
                self._states[place] = torch.get_rng_state()
        return torch.stack(orders)

    def end(self) -> None:
        """Do nothing: `begin` makes all draws of an epoch."""


def draw_int64() -> int:
    """Draw one int64 from torch's default CPU generator, as its loaders do."""
    return int(torch.empty((), dtype=torch.int64).random_().item())


def move_to_run(study: Study, name: str) -> None:
    """Seed the default generator and move it to where the run called `name` begins.

    In a continued study the draws of all earlier runs are made first; nothing is trained.
    """
    torch.manual_seed(study.seed)
    if study.stream == "paired":
        return
    for run in study.runs[: study.position(name)]:
        build_run(run, study.image_size)
        for _ in range(3 * run.epochs):
            draw_int64()
