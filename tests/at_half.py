"""torch's networks of the page's runs, with the weights that are aboard; the digits aboard."""

from __future__ import annotations

import torch
from torch import nn

from hindi_bn.digits.stand_in import draw
from hindi_bn.landscape.weights import put
from hindi_bn.records import Record, RunFolder
from hindi_bn.records.path import read_path
from hindi_bn.training.run import load_network

TEST = 20  # digits of the page of conftest.py, two of each class


def network_at(record: Record, epoch: int = 2) -> nn.Sequential:
    """A run's network after so many epochs, its weights rounded to float16, in eval mode."""
    path = read_path(RunFolder(record.folder))
    network = load_network(record)
    put(network, torch.cat([path.weights[epoch], path.buffers[epoch]]).half().float())
    return network


def digits_aboard() -> tuple[torch.Tensor, list[int]]:
    """The test digits aboard, as the networks read them (20, 1, 32, 32), and their classes."""
    _, images = draw(train_per_class=4, test_per_class=TEST // 10)
    pixels = torch.from_numpy(images).float()[:, None] / 255
    return pixels, [place // (TEST // 10) for place in range(TEST)]


def pixels_of(image: list[int]) -> torch.Tensor:
    """An image of 1,024 grey values, as the networks read it (1, 1, 32, 32)."""
    return torch.tensor(image).float().reshape(1, 1, 32, 32) / 255
