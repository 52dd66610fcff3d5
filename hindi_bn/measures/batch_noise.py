"""How far the statistics of a batch lie from those of all training images."""

import torch
from torch import nn

from hindi_bn.digits import Digits
from hindi_bn.measures._shared import AT_ONCE, hidden_layers
from hindi_bn.records import Record
from hindi_bn.stats.metrics import Metric
from hindi_bn.training.run import load_network
from hindi_bn.training.tensors import run_constants, scale, training_digits

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)

VERSION = 1
VALUES = {
    f"{name}_at_{size}": Metric(f"Noise of the {label} of batches of {size}", unit)
    for name, label, unit in (("mean", "means", "stds"), ("variance", "variances", "relative"))
    for size in BATCH_SIZES
}


def measure(record: Record, digits: Digits) -> dict[str, float]:
    """Measure how far means and variances of batches lie from those of all training images.

    Of each channel of the outputs of convolutions, or of hidden linear layers where there are none,
    over images and pixels, by the trained network in eval mode. The images are taken in a shuffled
    order, always the same; a remainder is left out. `mean_at_N` is the root mean square over
    batches of (the batch's mean minus that of all) in units of the standard deviation of all,
    `variance_at_N` that of (the batch's variance over that of all) minus 1; means over channels,
    then over layers. A channel that is constant is left out; sizes beyond the images have no value.
    """
    network, used = load_network(record), training_digits(digits, record.run)
    order = torch.randperm(len(used.train_labels), generator=torch.Generator().manual_seed(0))
    images = scale(used.train_images[order], run_constants(digits, record.run))
    layers = [_noise(moments) for moments in _moments(network, images)]
    return {
        name: sum(layer[name] for layer in layers) / len(layers)
        for name in VALUES
        if all(name in layer for layer in layers)
    }


@torch.no_grad()
def _moments(network: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
    """Return each layer's mean and mean square by image and channel: (2, images, channels).

    In float64, of the hidden layers' outputs.
    """
    network.eval()
    layers = hidden_layers(network)
    parts: dict[str, list[torch.Tensor]] = {name: [] for name in layers}
    for batch in images.split(AT_ONCE):
        x = batch
        for name, layer in network.named_children():
            x = layer(x)
            if name in parts:
                values = x.double().flatten(1).unflatten(1, (x.shape[1], -1))
                parts[name].append(torch.stack([values.mean(2), values.square().mean(2)]))
            if name == layers[-1]:
                break
    return [torch.cat(found, dim=1) for found in parts.values()]


def _noise(moments: torch.Tensor) -> dict[str, float]:
    """Return one layer's values from the moments (2, images, channels) of its output."""
    mean, square = moments.mean(1)
    variance = square - mean**2
    there = variance > 0
    noise = {}
    for size in BATCH_SIZES:
        count = moments.shape[1] // size
        if count:
            batches = moments[:, : count * size].unflatten(1, (count, size)).mean(2)
            spread = batches[1] - batches[0] ** 2
            far = {"mean": (batches[0] - mean) / variance.sqrt(), "variance": spread / variance - 1}
            for name, values in far.items():
                each = values[:, there].square().mean(0).sqrt()  # (channels,)
                noise[f"{name}_at_{size}"] = float(each.mean())
    return noise
