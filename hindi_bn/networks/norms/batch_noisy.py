"""Batch norm with noise after it, to ask whether it helps by keeping distributions still."""

import math

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from hindi_bn.networks.dropout import counted_words
from hindi_bn.networks.norms import BatchNormBase
from hindi_bn.networks.norms._channels import ChannelNorm, beside

_WORDS = 2**32


class NoisyBatchNorm(BatchNormBase):
    """Batch normalisation followed by noise whose distribution changes at every training step."""

    words = "Batch norm with noise"

    noise_shift: float = Field(
        0.5, ge=0, description="Largest shift of a unit's output, either way, drawn per step."
    )
    noise_scale: float = Field(
        1.25, ge=1, description="Largest factor of a unit's output, drawn from 1 on per step."
    )
    noise_spread: float = Field(
        0.1, ge=0, description="Spread of the images' own shifts and factors around the unit's."
    )

    def maps(self, channels: int) -> nn.Module:
        return NoisyBatchNormalisation(channels, self)

    def start(self, layer: nn.Module, place: int) -> None:
        """Give the layer a seed of its own too, made from the common one and its place."""
        super().start(layer, place)
        assert isinstance(layer, NoisyBatchNormalisation)
        layer.seed.copy_(counted_words(layer.seed, torch.tensor(place), 1)[0])

    def without_noise(self, layer: nn.Module) -> None:
        assert isinstance(layer, NoisyBatchNormalisation)
        layer.quiet = True


class NoisyBatchNormalisation(ChannelNorm):
    """torch's batch norm, then noise that shifts and scales each channel anew at every step.

    In training, with a the output of batch norm (gamma and beta included)::

        m_j uniform in [-noise_shift, noise_shift], s_j uniform in [1, noise_scale]
        m_ij = m_j + noise_spread * u_ij with u_ij uniform in [-1, 1]
        s_ij = s_j + noise_spread * n_ij with n_ij from a standard normal
        output = s_ij * a + m_ij

    for channel j of image i: what the next layer gets has a mean that is not 0 and a variance that
    is not 1, and both jump from step to step. In evaluation there is no noise.

    The noise is computed from the seed, the number of training steps and the place, not drawn from
    the stream that shuffles the images: a run sees the batches that it would see without it, and a
    resumed run goes on with the same noise, on every device.

    Source: Santurkar, Tsipras, Ilyas, Madry 2018, arXiv 1805.11604, section 2.2; the defaults are
    ours, and a channel of feature maps is one unit.

    `seed` is torch's default generator's, which nothing is drawn from; `NoisyBatchNorm.start` makes
    it another one for each layer. `quiet` leaves the noise away in training, too.
    """

    running_var: torch.Tensor
    num_batches_tracked: torch.Tensor
    seed: torch.Tensor

    def __init__(self, channels: int, settings: NoisyBatchNorm) -> None:
        super().__init__(channels, settings.affine, "running_var")
        self.settings, self.quiet = settings, False
        self.register_buffer("num_batches_tracked", torch.zeros((), dtype=torch.int64))
        self.register_buffer("seed", torch.tensor(torch.initial_seed() % _WORDS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise (batch, channels) or (batch, channels, height, width); the shape stays."""
        self.values_per_channel(x)
        settings = self.settings
        contiguous = x.contiguous()  # torch's kernel for channels_last is less exact
        out = functional.batch_norm(
            contiguous, self.running_mean, self.running_var, self.weight, self.bias,
            self.training, settings.momentum, settings.eps,
        )  # fmt: skip
        if not self.training or self.quiet:
            return out
        shift, scale = self.noise(len(x))
        self.num_batches_tracked += 1
        over_pixels = (*shift.shape, *[1] * (x.ndim - 2))
        return out * scale.to(out.dtype).view(over_pixels) + shift.to(out.dtype).view(over_pixels)

    def noise(self, images: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return shift and scale of the next training step, (images, channels) each."""
        s, channels = self.settings, self.channels
        uniform = self._uniform((2 + 3 * images) * channels)
        unit, own = uniform[: 2 * channels], uniform[2 * channels :]
        mean = s.noise_shift * (2 * unit[:channels] - 1)
        factor = 1 + (s.noise_scale - 1) * unit[channels:]
        spread, radius, angle = own.view(3, images, channels)
        normal = (-2 * (1 - radius).log()).sqrt() * (2 * math.pi * angle).cos()  # Box-Muller
        shift = beside(mean, spread) + s.noise_spread * (2 * spread - 1)
        return shift, beside(factor, normal) + s.noise_spread * normal

    def _uniform(self, count: int) -> torch.Tensor:
        """Numbers 0 <= u < 1 of the next step: (count,)."""
        words = counted_words(self.seed, self.num_batches_tracked, count)
        return (words.double() / _WORDS).to(self.running_mean.dtype).clamp(max=1 - 2**-24)
