"""Dropout whose masks do not draw from the random stream that shuffles the images."""

import torch
from torch import nn

_WORD = 0xFFFFFFFF


class CountedDropout(nn.Module):
    """Dropout whose mask is a function of the seed, the number of training steps and the place.

    torch's own dropout draws its masks from the stream that also shuffles the images, so that runs
    with and without it would see other batches, and on CUDA from a generator that no checkpoint
    holds. Here every mask is computed: the same on every device, and the same after a resume. In
    training a `share` of the values is set to 0, and the others are divided by 1 - share. Layers
    of one network differ in their `number`, so that their masks do.
    """

    seed: torch.Tensor
    steps: torch.Tensor

    def __init__(self, share: float, number: int = 0) -> None:
        super().__init__()
        self.share = share
        seed = torch.tensor(torch.initial_seed() & _WORD)
        if number:  # moved away from the places by which noise behind norms makes its seeds
            seed = counted_words(seed, torch.tensor(number << 16), 1)[0]
        self.register_buffer("seed", seed)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Drop values of a batch of any shape."""
        if not self.training:
            return x
        random = counted_words(self.seed, self.steps, x.numel())
        keep = (random >= int(self.share * 2**32)).view(x.shape)
        self.steps += 1
        return x * keep / (1 - self.share)

    def extra_repr(self) -> str:
        """Show the share that is dropped."""
        return f"share={self.share}"


def counted_words(seed: torch.Tensor, step: torch.Tensor, count: int) -> torch.Tensor:
    """Return int64 (count,) of 32 bits, a function of seed, step (int64 scalars) and place."""
    key = _scramble(_scramble(seed) ^ step)
    places = torch.arange(count, device=seed.device)
    return _scramble(_scramble(places) ^ key)


def _scramble(word: torch.Tensor) -> torch.Tensor:
    """Map 32-bit words one to one: lowbias32 (Wellons 2018, "Prospecting for hash functions")."""
    word = word ^ (word >> 16)
    word = (word * 0x7FEB352D) & _WORD
    word = word ^ (word >> 15)
    word = (word * 0x846CA68B) & _WORD
    return word ^ (word >> 16)
