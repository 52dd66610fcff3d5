"""The fixed images that the loss is looked at on, and a network's parameters as one vector."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from older import without_manifest
from tiny import tiny_digits, tiny_study
from torch.nn.utils import parameters_to_vector

from hindi_bn.errors import HindiBnError
from hindi_bn.landscape.subset import subset_of
from hindi_bn.landscape.weights import parts_of, put, refuse_different, state_of
from hindi_bn.networks import build
from hindi_bn.records import Record
from hindi_bn.training.run import initial_network, load_network, train_run


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    study = tiny_study(epochs=1, stream="paired")
    return train_run(study, "bn", tiny_digits(), tmp_path_factory.mktemp("out"))


def test_the_images_are_as_many_of_each_class_and_fixed_by_the_seed(record: Record) -> None:
    digits = tiny_digits()
    subset, same, other = (subset_of(record, digits, 30, seed) for seed in (4, 4, 5))
    assert subset.labels.bincount().tolist() == [3] * 10
    assert torch.equal(subset.images, same.images)
    assert not torch.equal(subset.images, other.images)
    assert subset.labels.tolist() != sorted(subset.labels.tolist())  # batches mix the classes
    grey = {tuple(image.flatten().tolist()) for image in digits.train_images / 255}
    assert {tuple(image.flatten().tolist()) for image in subset.images} <= grey


@pytest.mark.parametrize("images", [0, 25, 80])
def test_images_that_there_are_not_are_refused(record: Record, images: int) -> None:
    with pytest.raises(HindiBnError, match="multiple of 10 up to 70"):
        subset_of(record, tiny_digits(), images)


def test_images_of_other_data_are_refused(record: Record) -> None:
    with pytest.raises(HindiBnError, match="other data"):
        subset_of(record, tiny_digits(seed=1), 30)


def test_the_vector_is_in_the_order_of_torchs_own_and_goes_back(record: Record) -> None:
    network = load_network(record)
    state, before = state_of(network), parameters_to_vector(network.parameters())
    averages = torch.cat([b.flatten() for n, b in network.named_buffers() if "running" in n])
    assert torch.equal(state, torch.cat([before, averages]))
    put(network, 2 * state)
    assert torch.equal(parameters_to_vector(network.parameters()), 2 * before)
    assert torch.equal(state_of(network), 2 * state)
    with pytest.raises(HindiBnError, match="do not fit"):
        put(network, state[1:])


def test_parts_tell_weights_from_biases_and_norms() -> None:
    kinds = {part.name: part.kind for part in parts_of(build("one_conv", "batch"))}
    assert kinds == {
        "0.weight": "weights", "0.bias": "bias", "1.weight": "norm", "1.bias": "norm",
        "5.weight": "weights", "5.bias": "bias",
    }  # fmt: skip
    lengths = {part.kind for part in parts_of(build("mlp", "weight")) if part.shape[1:] == (1,)}
    assert lengths == {"norm"}


def test_the_initial_network_is_where_training_began(record: Record, tmp_path: Path) -> None:
    torch.manual_seed(record.study.seed)  # paired: every run begins here
    begun = torch.nn.utils.parameters_to_vector(build("three_convs", "batch").parameters())
    state = torch.get_rng_state()
    assert torch.equal(parameters_to_vector(initial_network(record).parameters()), begun)
    assert torch.equal(torch.get_rng_state(), state)


def test_weights_of_another_network_are_refused(record: Record, tmp_path: Path) -> None:
    study = tiny_study(epochs=1)
    plain = train_run(study, "no-bn", tiny_digits(), tmp_path)
    with pytest.raises(HindiBnError, match="cannot stand in one plane"):
        refuse_different([record, plain])
    weights = (record.folder / "weights.safetensors").read_bytes()
    (without_manifest(plain.folder) / "weights.safetensors").write_bytes(weights)
    with pytest.raises(HindiBnError, match="do not fit"):
        load_network(plain)
