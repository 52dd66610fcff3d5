"""What each layer makes of one test image after training, a figure per run."""

from collections.abc import Sequence

import torch
from torch import nn

from hindi_bn import digits as source
from hindi_bn.digits import Digits
from hindi_bn.errors import StudyError
from hindi_bn.figures.maps import maps_figure
from hindi_bn.figures.style import Caption
from hindi_bn.plots import Choice, Figures
from hindi_bn.plots._runs import described, layers_of
from hindi_bn.records import Record
from hindi_bn.training.run import load_network
from hindi_bn.training.tensors import run_constants, scale


def figures(records: Sequence[Record], choice: Choice) -> Figures:
    """Draw the maps and features that each run's network makes of the image."""
    digits = source.load(choice.data_dir, records[0].study.data)
    about = f"n = 1: test image {choice.index} of digit {choice.digit}; eval mode"
    drawn = {}
    for record in records:
        record.check_data(digits)
        pixels = pick(digits, choice.digit, choice.index)
        scaled = scale(pixels.unsqueeze(0), run_constants(digits, record.run))[0]
        outputs = feature_maps(load_network(record), scaled)
        named = {layer.name: described(layer) for layer in layers_of(record)}
        shown = [("Image", pixels.unsqueeze(0) / 255)]
        for name, output in outputs:
            shape = " × ".join(map(str, output.shape))
            shown.append((f"{named[name]}\n{shape}", output))
        probability, guess = outputs[-1][1].softmax(0).max(0)
        title = (
            f"{record.name}: what each layer makes of a {choice.digit} "
            f"(taken for a {int(guess)}, {100 * float(probability):.1f} %)"
        )
        drawn[f"maps-{record.name}"] = maps_figure(shown, title, Caption(digits.title, about))
    return drawn


def pick(digits: Digits, digit: int, index: int) -> torch.Tensor:
    """Return the pixels of a test image, uint8 (height, width); StudyError if there is none."""
    places = (digits.test_labels == digit).nonzero().flatten()
    if index >= len(places):
        raise StudyError(
            f"There is no test image {index} of digit {digit}.",
            f"There are {len(places)}, counted from 0.",
            "choose a smaller --index",
        )
    return digits.test_images[places[index]]


def feature_maps(network: nn.Module, image: torch.Tensor) -> list[tuple[str, torch.Tensor]]:
    """Send a scaled image (1, height, width) through a network in eval mode.

    Returns the name and the output, (channels, height, width) or (features,), of every layer but
    flatten, in order.
    """
    outputs, x = [], image.unsqueeze(0)
    network.eval()
    with torch.no_grad():
        for name, layer in network.named_children():
            x = layer(x)
            if not isinstance(layer, nn.Flatten):
                outputs.append((name, x[0]))
    return outputs
