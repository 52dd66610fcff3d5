"""What stands around the maps of padded convolutions: by hand and against torch's own padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from hindi_bn.errors import StudyError
from hindi_bn.networks import build, layer_table
from hindi_bn.networks.padding import MeanPaddedConv2d

NETWORKS = ["three_convs", "one_conv", "conv_pair"]


def drawn(name: str = "three_convs", **options: Any) -> nn.Sequential:
    torch.manual_seed(1)
    return build(name, options=options)


def test_the_mean_of_each_channel_stands_around_its_map() -> None:
    """Padded by hand in numpy, then convolved without padding."""
    layer = MeanPaddedConv2d(3, 2, 3, padding=1).double()
    maps = torch.randn(4, 3, 5, 6, dtype=torch.float64, requires_grad=True)
    padded = np.stack([
        np.stack([np.pad(channel, 1, constant_values=channel.mean()) for channel in image])
        for image in maps.detach().numpy()
    ])  # fmt: skip
    expected = functional.conv2d(torch.from_numpy(padded), layer.weight, layer.bias)
    torch.testing.assert_close(layer(maps), expected)
    assert torch.autograd.gradcheck(layer, (maps,))


def test_the_border_goes_on_as_torchs_replication_has_it() -> None:
    network, images = drawn(padding="border"), torch.rand(2, 1, 32, 32)
    x = images
    for layer in drawn():
        if isinstance(layer, nn.Conv2d):
            x = functional.conv2d(
                functional.pad(x, (1, 1, 1, 1), "replicate"), layer.weight, layer.bias
            )
        else:
            x = layer(x)
    torch.testing.assert_close(network(images), x)


@pytest.mark.parametrize("name", NETWORKS)
def test_all_kinds_start_from_the_same_convolutions(name: str) -> None:
    zero = drawn(name)
    for padding in ("mean", "border", "none"):
        assert torch.equal(drawn(name, padding=padding)[0].weight, zero[0].weight)
    # one grey image with a border of its own: only what stands around it tells them apart
    image = torch.ones(1, 1, 32, 32)
    outputs = {kind: drawn(name, padding=kind)[0](image) for kind in ("zero", "mean", "border")}
    torch.testing.assert_close(outputs["mean"], outputs["border"])
    assert not torch.allclose(outputs["zero"], outputs["mean"])
    inner = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(outputs["zero"][inner], outputs["mean"][inner])


@pytest.mark.parametrize(
    ("name", "size", "shapes"),
    [
        ("three_convs", 32, ["16x30x30", "16x28x28", "16x26x26", "16x13x13", "2704"]),
        ("three_convs", 16, ["16x14x14", "16x12x12", "16x10x10", "16x5x5", "400"]),
        ("one_conv", 28, ["16x26x26", "16x13x13", "2704"]),
        ("conv_pair", 32, ["6x30x30", "6x15x15", "16x11x11", "16x5x5", "400"]),
    ],
)
def test_without_padding_maps_shrink(name: str, size: int, shapes: list[str]) -> None:
    rows = layer_table(build(name, options={"padding": "none"}, image_size=size), size)[1:]
    found = ["x".join(map(str, r.shape)) for r in rows if r.kind not in {"activation", "linear"}]
    assert found == shapes


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("three_convs", {"options": {"convolutions": 16}}, "leave nothing of the maps"),
        ("three_convs", {"image_size": 7}, "leave nothing of the maps"),
        ("conv_pair", {"image_size": 13}, "leave nothing of the maps"),
        ("lenet", {}, "no option 'padding'"),
        ("locally_connected", {}, "no option 'padding'"),
    ],
)
def test_where_nothing_is_left_it_is_refused(
    name: str, settings: dict[str, Any], said: str
) -> None:
    options = {**settings.pop("options", {}), "padding": "none"}
    with pytest.raises(StudyError, match=said):
        build(name, options=options, **settings)


def test_kinds_are_described() -> None:
    said = {kind: layer_table(drawn(padding=kind))[1].description for kind in ("mean", "border")}
    assert said["mean"].endswith("Conv2d 1 → 16, 3 × 3, padding 1 of the mean")
    assert said["border"] == "Conv2d 1 → 16, 3 × 3, padding 1 of the border"
