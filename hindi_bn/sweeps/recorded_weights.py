"""The two weights wx and wy that a run of a sweep records, where its network lacks the usual ones.

A grid may vary the network itself, and the article's pair of weights stands only in networks whose
last convolution is large enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hindi_bn.errors import StudyError
from hindi_bn.study import Capture, Run

if TYPE_CHECKING:
    from torch import nn


def with_weights_to_record(run: Run, image_size: int) -> Run:
    """Return the run with two weights of its own network, where it has not the usual ones.

    Weights that were asked for, by anything but the default, are left as they are; so is a run
    whose network cannot be built, which training refuses. Without the usual ones the weights are
    in the middle of the last convolution, or of the first layer that has weights, in its middle
    filter (unit) and its first one. The caller's random stream is left where it was.
    """
    import torch

    from hindi_bn.networks import build_run
    from hindi_bn.training.weights import WeightPair

    if run.capture != Capture():
        return run
    try:
        with torch.random.fork_rng(devices=[]):
            network = build_run(run, image_size)
    except StudyError:
        return run
    try:
        WeightPair(network, run.capture)
    except StudyError:
        return run.model_copy(update={"capture": _middle(network)})
    return run


def _middle(network: nn.Module) -> Capture:
    from torch import nn

    from hindi_bn.networks import weight_of

    named = {name: (module, weight_of(module)) for name, module in network.named_modules() if name}
    having = {name: (m, tuple(w.shape)) for name, (m, w) in named.items() if w is not None}
    convolutions = [name for name, (module, _) in having.items() if isinstance(module, nn.Conv2d)]
    layer = convolutions[-1] if convolutions else next(iter(having))
    first, *rest = (size // 2 for size in having[layer][1])
    return Capture(layer=layer, wx=(first, *rest), wy=(0, *rest))
