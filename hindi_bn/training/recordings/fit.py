"""How well the network fits its training images."""

from typing import Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from hindi_bn.networks.preserved import preserved
from hindi_bn.study import Run
from hindi_bn.study.settings import NAME
from hindi_bn.training.recordings import Reading, Timed
from hindi_bn.training.tensors import Tensors

AT_ONCE = 500
"""Images of a forward pass."""


class Fit(Timed):
    """Loss and accuracy on a part of the training images, in eval mode and without augmentation."""

    kind: Literal["fit"] = "fit"
    name: str = Field("fit", pattern=NAME, description="Name in captures.csv.")
    images: int = Field(
        2000, ge=1, description="Number of images, evenly spread over all; all if there are fewer."
    )

    def reading(self, network: nn.Module, data: Tensors, run: Run) -> Reading:
        every = len(data.train_labels)
        count = min(self.images, every)
        places = torch.arange(count) * every // count

        def read() -> torch.Tensor:
            losses, right = [], []
            with torch.no_grad(), preserved(network):
                for part in places.split(AT_ONCE):
                    here = part.to(data.train_labels.device)
                    labels = data.train_labels[here]
                    logits = network(data.training_batch(here))
                    losses.append(functional.cross_entropy(logits, labels, reduction="none"))
                    right.append(logits.argmax(1) == labels)
            return torch.stack([torch.cat(losses).mean(), torch.cat(right).float().mean()])

        return [("loss", "", ""), ("accuracy", "", "")], read
