"""What measures share."""

import pandas as pd
import torch
from torch import nn

from hindi_bn.errors import RunError
from hindi_bn.networks import kind_of
from hindi_bn.records import Record, RunFolder
from hindi_bn.records.recordings import read_recordings

AT_ONCE = 64
"""Images of a forward pass in eval mode: their maps stay in the caches."""


def accuracy_of(answers: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the share of right answers."""
    return int((answers == labels).sum()) / len(labels)


def rows_of(record: Record, kind: str) -> pd.DataFrame:
    """Return the rows of a run's first recording of a kind, in the order of steps."""
    recording = next((r for r in record.run.recordings if r.kind == kind), None)
    if recording is None:
        raise RunError(
            f"{record.folder} has not recorded {kind}.",
            f"Its study has no recording of the kind {kind!r}.",
            f"train it with a study that has recordings: [{kind}] (docs/recordings.md)",
        )
    frame = read_recordings(RunFolder(record.folder))
    return frame[frame["name"] == recording.name].reset_index(drop=True)


def hidden_layers(network: nn.Module) -> list[str]:
    """Name the convolutions and locally connected layers, or the linear ones but the last."""
    kinds = {name: kind_of(layer) for name, layer in network.named_children()}
    convolutions = [name for name, kind in kinds.items() if kind in {"convolution", "local"}]
    return convolutions or [name for name, kind in kinds.items() if kind == "linear"][:-1]
