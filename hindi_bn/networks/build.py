"""Networks built by name, as plain `nn.Sequential`s."""

from collections import OrderedDict
from typing import Any, cast

from torch import nn

from hindi_bn import registry
from hindi_bn.errors import StudyError
from hindi_bn.networks.architectures import Network, Values
from hindi_bn.networks.blocks import Blocks
from hindi_bn.networks.initialisation import initialise
from hindi_bn.networks.norms import Norm, norm_of
from hindi_bn.networks.preserved import preserved
from hindi_bn.networks.table import kind_of
from hindi_bn.networks.transformer import SpatialTransformer
from hindi_bn.study import Run, network_names
from hindi_bn.study.files import validate
from hindi_bn.study.words import counted

FOLDER = "networks/architectures"
TRANSFORMER = "transformer"


def network_called(name: str) -> type[Network]:
    """Import a network by its name; StudyError for one from outside that is none."""
    return cast(type[Network], registry.find_class(FOLDER, "Network", name))


def build(name: str, norm: Any = "none", *, image_size: int = 32, **settings: Any) -> nn.Sequential:
    """Build a network on the CPU; its initial weights come from torch's default generator.

    It maps (batch, 1, image_size, image_size) to (batch, 10) logits. `norm` is a name, a mapping of
    name and parameters, or a model of them; `settings` are other keys of a run that shape the
    network. StudyError for an unknown one, or for a layer that cannot stand where it would.
    """
    return build_run(run_of(name, norm, **settings), image_size)


def run_of(name: str, norm: Any = "none", **settings: Any) -> Run:
    """Return a run of the network called `name`; StudyError for an unknown name or setting."""
    run = {"name": "network", "network": name, "norm": norm, **settings}
    return validate({"name": "network", "runs": [run]}, "the network's settings").runs[0]


def build_run(run: Run, image_size: int = 32) -> nn.Sequential:
    """Build a run's network; see `build`.

    Its layers are called "0", "1" and so on; what stands before them has a name of its own.
    """
    if run.halved:
        image_size //= 2
    architecture, norm = network_called(run.network), cast(Norm, run.norm)
    registry.refuse_changed(architecture, run.network)
    registry.refuse_changed(type(norm), norm.name)
    if image_size < architecture.smallest:
        raise StudyError(
            f"Network {run.network!r} cannot take {image_size} x {image_size} images.",
            f"Its convolutions and poolings need at least {architecture.smallest} x "
            f"{architecture.smallest} pixels.",
            "choose larger images or another network (`hindi-bn networks` lists them)",
        )
    blocks = Blocks.of(run, options := options_of(run))
    try:
        network = nn.Sequential(*architecture.layers(blocks, image_size, options))
    except TypeError as error:
        raise StudyError(
            f"Network {run.network!r} gives no sequence of layers.", f"{error}.",
            "return torch modules that are run one after the other; a branch within the network "
            "has to be one module whose class says its kind",
        ) from error  # fmt: skip
    if run.dropout and run.dropout_place == "norms" and not blocks.hidden:
        raise StudyError(
            f"Network {run.network!r} has no place for Dropout before its norms.",
            "None of its layers is made by `Blocks`, which knows where norms stand.",
            "set dropout_place: classifier, or leave dropout away",
        )
    if run.norm_layers and max(run.norm_layers) > blocks.hidden + 1:
        raise StudyError(
            f"Network {run.network!r} has no layer {max(run.norm_layers)} to normalise.",
            f"It has {counted(blocks.hidden, 'hidden layer')} and a classifier.",
            f"set norm_layers to numbers from 1 to {blocks.hidden + 1}",
        )
    initialise(network, run.init)
    for place, layer in enumerate(network):
        if kind_of(layer) == "normalisation" and (own := norm_of(layer)):
            own.start(layer, place)
    for layer in blocks.normalised:
        with preserved():  # spectral norm draws its singular vectors
            norm.parametrise(layer)
    before = _before(run, image_size)
    return nn.Sequential(OrderedDict([*before, *network.named_children()])) if before else network


def _before(run: Run, side: int) -> list[tuple[str, nn.Module]]:
    """Make what stands before the network: it gives images of this side."""
    layers: list[tuple[str, nn.Module]] = [("halving", nn.AvgPool2d(2))] if run.halved else []
    if run.transformer:
        with preserved():  # equal starts, with and without it
            transformer = SpatialTransformer(side)
            initialise(transformer, run.init)
        transformer.begin()
        layers.append((TRANSFORMER, transformer))
    return layers


def options_of(run: Run) -> Values:
    """Return the network's options, with the run's choices; StudyError for one it does not have."""
    own = network_called(run.network).options
    chosen = run.options.model_dump(exclude_none=True)
    for key in chosen:
        if key not in own:
            having = [name for name in network_names() if key in network_called(name).options]
            raise StudyError(
                f"Network {run.network!r} has no option {key!r}.",
                f"Its options are {', '.join(own) or 'none'}.",
                f"leave options.{key} away, or choose a network that has it: {', '.join(having)}",
            )
    return own | chosen


def last_convolution(network: nn.Module) -> str:
    """Name the network's last convolution; StudyError if it has none."""
    modules = {
        name: module
        for name, module in network.named_modules()
        if name.partition(".")[0] != TRANSFORMER
    }
    names = [name for name, module in modules.items() if isinstance(module, nn.Conv2d)]
    if not names:
        linear = [name for name, module in modules.items() if isinstance(module, nn.Linear)]
        raise StudyError(
            "Cannot record weights of the last convolution.",
            "The network has none.",
            f"set recordings.pair.layer to one of its linear layers ({', '.join(linear)}), and wx "
            "and wy to two indices each: unit, input",
        )
    return str(names[-1])
