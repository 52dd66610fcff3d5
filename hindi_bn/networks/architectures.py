"""The networks of the study as plain `nn.Sequential`s, built by name.

The order of the modules is the sources': initial weights are drawn from torch's default CPU
generator as the modules are built, so equal order and equal seed give equal weights. Shapes stand
beside the layers, for 32 x 32 images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from hindi_bn.errors import StudyError
from hindi_bn.networks.blocks import Blocks
from hindi_bn.networks.initialisation import initialise, initialise_gamma_beta
from hindi_bn.networks.norms import parametrise
from hindi_bn.networks.norms.batch_noisy import number_noise
from hindi_bn.study import Run
from hindi_bn.study.files import validate

Chosen = dict[str, Any]  # value of each option that the network has


def convolutions(blocks: Blocks, side: int, chosen: Chosen) -> list[nn.Module]:
    """Convolutions of one width, one pooling, a linear classifier (article, figures 4 and 5)."""
    width, half = chosen["width"], side // 2
    layers = blocks.convolution(1, width, 3, padding=1)  # (batch, 16, 32, 32)
    for _ in range(chosen.get("convolutions", 1) - 1):
        layers += blocks.convolution(width, width, 3, padding=1)  # (batch, 16, 32, 32)
    layers += blocks.pool(width)  # (batch, 16, 16, 16)
    layers += [nn.Flatten()]  # (batch, 4096)
    return layers + blocks.classifier(width * half * half)  # (batch, 10)


def lenet(blocks: Blocks, side: int, chosen: Chosen) -> list[nn.Module]:
    """LeNet-5 with one norm after every hidden layer."""
    last = ((side - 4) // 2 - 4) // 2  # 5; 4 on 28 x 28
    return [
        *blocks.convolution(1, 6, 5),  # (batch, 6, 28, 28)
        *blocks.pool(6),  # (batch, 6, 14, 14)
        *blocks.convolution(6, 16, 5),  # (batch, 16, 10, 10)
        *blocks.pool(16),  # (batch, 16, 5, 5)
        nn.Flatten(),  # (batch, 400)
        *blocks.linear(16 * last * last, 120),  # (batch, 120)
        *blocks.linear(120, 84),  # (batch, 84)
        *blocks.classifier(84),  # (batch, 10)
    ]


def conv_pair(blocks: Blocks, side: int, chosen: Chosen) -> list[nn.Module]:
    """Two convolutions, each with its pooling, and a linear classifier."""
    last = (side // 2 - 4) // 2  # 6; 5 on 28 x 28
    return [
        *blocks.convolution(1, 6, 3, padding=1),  # (batch, 6, 32, 32)
        *blocks.pool(6),  # (batch, 6, 16, 16)
        *blocks.convolution(6, 16, 5),  # (batch, 16, 12, 12)
        *blocks.pool(16),  # (batch, 16, 6, 6)
        nn.Flatten(),  # (batch, 576)
        *blocks.classifier(16 * last * last),  # (batch, 10)
    ]


def fully_connected(blocks: Blocks, side: int, chosen: Chosen) -> list[nn.Module]:
    """Hidden linear layers of one width, and a linear classifier."""
    width = chosen["width"]
    layers: list[nn.Module] = [nn.Flatten()]  # (batch, 1024)
    layers += blocks.linear(side * side, width)  # (batch, width)
    for _ in range(chosen.get("hidden_layers", 1) - 1):
        layers += blocks.linear(width, width)  # (batch, width)
    return layers + blocks.classifier(width)  # (batch, 10)


@dataclass(frozen=True)
class Architecture:
    """A network that can be built by name.

    Parameters
    ----------
    layers
        Gives the layers from the blocks, the side of the images in pixels and the options.
    smallest
        Smallest side of an image that leaves a pixel for the classifier.
    options
        The options that it has, with its own choice of each.
    summary, source
        What it is, and where it comes from.
    """

    layers: Callable[[Blocks, int, Chosen], list[nn.Module]]
    smallest: int
    options: Chosen
    summary: str
    source: str


_POOLED = {"activation": "relu", "pooling": "max"}

NETWORKS = {
    "three_convs": Architecture(
        convolutions, 2, {**_POOLED, "convolutions": 3, "width": 16},
        "three convolutions, max-pooling, linear classifier",
        "the article, figures 4 and 5",
    ),
    "one_conv": Architecture(
        convolutions, 2, {**_POOLED, "width": 16},
        "one convolution, max-pooling, linear classifier",
        "the article's repository",
    ),
    "lenet": Architecture(
        lenet, 16, {"activation": "sigmoid", "pooling": "avg"},
        "two convolutions with pooling, two hidden linear layers, linear classifier",
        "LeNet-5 (LeCun et al. 1998) as batch-norm tutorials write it",
    ),
    "conv_pair": Architecture(
        conv_pair, 12, _POOLED,
        "two convolutions with max-pooling, linear classifier",
        "batch-norm tutorials",
    ),
    "mlp": Architecture(
        fully_connected, 1, {"activation": "relu", "width": 100},
        "one hidden linear layer, linear classifier",
        "batch-norm tutorials",
    ),
    "fully_connected": Architecture(
        fully_connected, 1, {"activation": "relu", "hidden_layers": 3, "width": 40},
        "three hidden linear layers, linear classifier; the size of three_convs",
        "our counterpart of three_convs without convolutions",
    ),
}  # fmt: skip


def build(name: str, norm: Any = "none", *, image_size: int = 32, **settings: Any) -> nn.Sequential:
    """Build a network on the CPU; its initial weights come from torch's default generator.

    Parameters
    ----------
    name
        A key of `NETWORKS`.
    norm
        The normalisation layer: a name, a mapping of name and parameters, or a model of them.
    image_size
        Height and width of the grey images in pixels.
    settings
        Other keys of a run that shape the network: `placement`, `dropout`, `init`, `options`.

    Returns
    -------
    A network that takes (batch, 1, image_size, image_size) and gives (batch, 10) logits.

    Raises
    ------
    StudyError
        For an unknown name or setting, or a layer that cannot stand where it would.
    """
    return build_run(run_of(name, norm, **settings), image_size)


def run_of(name: str, norm: Any = "none", **settings: Any) -> Run:
    """Return a run of the network called `name`; StudyError for an unknown name or setting."""
    run = {"name": "network", "network": name, "norm": norm, **settings}
    return validate({"name": "network", "runs": [run]}, "the network's settings").runs[0]


def build_run(run: Run, image_size: int = 32) -> nn.Sequential:
    """Build a run's network; see `build`."""
    architecture = NETWORKS[run.network]
    if image_size < architecture.smallest:
        raise StudyError(
            f"Network {run.network!r} cannot take {image_size} x {image_size} images.",
            f"Its convolutions and poolings need at least {architecture.smallest} x "
            f"{architecture.smallest} pixels.",
            "choose larger images or another network (`hindi-bn networks` lists them)",
        )
    chosen = options_of(run)
    blocks = Blocks.of(run, chosen["activation"], chosen.get("pooling", "none"))
    network = nn.Sequential(*architecture.layers(blocks, image_size, chosen))
    initialise(network, run.init)
    initialise_gamma_beta(network, run.norm)
    for layer in blocks.normalised:
        parametrise(layer, run.norm)
    number_noise(network)
    return network


def options_of(run: Run) -> Chosen:
    """Return the network's options, with the run's choices where it makes any.

    Raises
    ------
    StudyError
        When the run chooses an option that its network does not have.
    """
    own = NETWORKS[run.network].options
    chosen = run.options.model_dump(exclude_none=True)
    for key in chosen:
        if key not in own:
            having = [name for name, network in NETWORKS.items() if key in network.options]
            raise StudyError(
                f"Network {run.network!r} has no option {key!r}.",
                f"Its options are {', '.join(own)}.",
                f"leave options.{key} away, or choose a network that has it: {', '.join(having)}",
            )
    return own | chosen


def parameter_count(network: nn.Module) -> int:
    """Count the learnable numbers in the network."""
    return sum(parameter.numel() for parameter in network.parameters())


def last_convolution(network: nn.Module) -> str:
    """Name the network's last convolution; StudyError if it has none."""
    modules = dict(network.named_modules())
    names = [name for name, module in modules.items() if isinstance(module, nn.Conv2d)]
    if not names:
        linear = [name for name, module in modules.items() if isinstance(module, nn.Linear)]
        raise StudyError(
            "Cannot record weights of the last convolution.",
            "The network has none.",
            f"set capture.layer to one of its linear layers ({', '.join(linear)}), and capture.wx "
            "and capture.wy to two indices each: unit, input",
        )
    return str(names[-1])
