"""Products with the Hessian, and its eigenvalues, against closed forms and whole matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.sparse.linalg import aslinearoperator
from torch import nn
from torch.nn import functional

from hindi_bn.curvature.hessian import Hessian, filter_lengths, scale_invariant, scaled
from hindi_bn.curvature.spectrum import lanczos, largest, quadrature
from hindi_bn.networks import build
from hindi_bn.networks.local import LocallyConnected2d
from hindi_bn.training.numerics import arrange


def small(norm: Any = "batch", **settings: Any) -> nn.Sequential:
    """Two convolutions of two channels on 4 x 4 images, float64."""
    torch.manual_seed(3)
    options = {"convolutions": 2, "width": 2}
    return build("three_convs", norm, image_size=4, options=options, **settings).double()


def images(count: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    drawn = torch.rand(count, 1, 4, 4, generator=generator, dtype=torch.float64)
    return drawn, torch.arange(count) % 10


def matrix(operator: Any) -> np.ndarray[Any, Any]:
    return np.column_stack([operator @ column for column in np.eye(operator.shape[0])])


def whole(network: nn.Sequential, loss: Any) -> np.ndarray[Any, Any]:
    """The Hessian by torch's own, from a loss of (name -> parameter)."""
    names = [name for name, _ in network.named_parameters()]
    shapes = [p.shape for p in network.parameters()]
    sizes = [shape.numel() for shape in shapes]

    def of_vector(vector: torch.Tensor) -> torch.Tensor:
        parts = [p.view(s) for p, s in zip(vector.split(sizes), shapes, strict=True)]
        return loss(dict(zip(names, parts, strict=True)))

    vector = nn.utils.parameters_to_vector(network.parameters()).detach()
    return torch.autograd.functional.hessian(of_vector, vector).numpy()


def by_torch(network: nn.Sequential, parts: list[int], *, train: bool) -> np.ndarray[Any, Any]:
    """The Hessian of the mean over batches of these sizes."""
    x, y = images(sum(parts))

    def loss(values: dict[str, torch.Tensor]) -> torch.Tensor:
        network.train(train)
        buffers = {name: each.clone() for name, each in network.named_buffers()}
        total = torch.zeros((), dtype=torch.float64)
        for a, b in zip(x.split(parts), y.split(parts), strict=True):
            logits = torch.func.functional_call(network, values | buffers, (a,))
            total = total + functional.cross_entropy(logits, b) * len(b) / len(y)
        return total

    return whole(network, loss)


def test_linear_regression_has_its_second_moments() -> None:
    x, y = torch.rand(20, 4, dtype=torch.float64), torch.rand(20, 1, dtype=torch.float64)
    network = nn.Sequential(nn.Linear(4, 1, dtype=torch.float64))
    hessian = Hessian(network, x, y, "running", loss=functional.mse_loss)
    seen = np.column_stack([x.numpy(), np.ones(20)])
    assert matrix(hessian) == pytest.approx(2 * seen.T @ seen / 20, abs=1e-12)
    residual = seen @ np.append(network[0].weight.detach(), network[0].bias.detach()) - y.numpy().T
    loss, gradient = hessian.gradient()
    assert loss == pytest.approx(float((residual**2).mean()))
    assert gradient == pytest.approx((2 * residual @ seen / 20).ravel())


def test_softmax_regression_has_its_closed_form() -> None:
    x, y = torch.rand(30, 3, dtype=torch.float64), torch.arange(30) % 4
    network = nn.Sequential(nn.Linear(3, 4, bias=False, dtype=torch.float64))
    p = network(x).softmax(1).detach().numpy()
    expected = np.zeros((12, 12))
    for one, probabilities in zip(x.numpy(), p, strict=True):
        expected += np.kron(np.diag(probabilities) - np.outer(probabilities, probabilities),
                            np.outer(one, one)) / 30  # fmt: skip
    hessian = Hessian(network, x, y, "running")
    assert matrix(hessian) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("norm", "statistics", "parts"),
    [("batch", "batch", [5, 6]), ("batch", "whole", [11]), ("batch", "running", [11]),
     ("layer", "batch", [5, 6])],
)  # fmt: skip
def test_it_is_torchs_own_hessian(norm: str, statistics: Any, parts: list[int]) -> None:
    network, (x, y) = small(norm), images(11)  # a last batch of one joins the one before
    with torch.no_grad():
        network(x)  # running averages that are not those of the start
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    hessian = Hessian(network, x, y, statistics, batch_size=5)
    vectors = np.random.default_rng(0).standard_normal((3, hessian.shape[0]))
    found = [hessian @ vector for vector in vectors]
    assert all(torch.equal(value, kept[name]) for name, value in network.state_dict().items())
    expected = by_torch(network, parts, train=statistics != "running")
    for product, vector in zip(found, vectors, strict=True):
        assert product == pytest.approx(expected @ vector, abs=1e-9)


def test_the_fast_backward_of_batch_norm_has_the_right_derivative() -> None:
    """Its gradient's change along a vector, by central differences, float64."""
    network, (x, y) = small(), images()
    fast: Any = arrange(small(), "fast")
    assert "RowwiseBatchNorm2d" in {type(layer).__name__ for layer in fast}
    parameters = list(network.parameters())
    vector = np.random.default_rng(0).standard_normal(sum(p.numel() for p in parameters))
    at = nn.utils.parameters_to_vector(parameters).detach()

    def gradient(step: float) -> np.ndarray[Any, Any]:
        nn.utils.vector_to_parameters(at + step * torch.from_numpy(vector), parameters)
        return Hessian(network, x, y, "whole").gradient()[1]

    differences = (gradient(1e-5) - gradient(-1e-5)) / 2e-5
    nn.utils.vector_to_parameters(at, parameters)
    found = Hessian(network, x, y, "whole") @ vector
    assert np.linalg.norm(found - differences) < 1e-6 * np.linalg.norm(found)


def test_float32_maps_cost_little_of_a_product() -> None:
    network, (x, y) = small(), images()
    vector = np.random.default_rng(0).standard_normal(sum(p.numel() for p in network.parameters()))
    exact = Hessian(network, x, y) @ vector
    found = Hessian(network.float(), x.float(), y) @ vector
    assert np.linalg.norm(found - exact) < 1e-4 * np.linalg.norm(exact)


def test_rescaled_filters_change_the_curvature_but_not_that_of_normalised_weights() -> None:
    network, (x, y) = small({"name": "batch", "eps": 1e-12}), images()
    hessian = Hessian(network, x, y)
    by_length = scaled(hessian, filter_lengths(network))
    convolution: Any = network[0]
    with torch.no_grad():  # the first filter twice as long, the second half
        convolution.weight *= torch.tensor([2.0, 0.5]).view(-1, 1, 1, 1)
    again = Hessian(network, x, y)
    assert again.gradient()[0] == pytest.approx(hessian.gradient()[0], rel=1e-9)
    twice, half = slice(0, 9), slice(9, 18)
    within, other = (np.zeros(again.shape[0]) for _ in range(2))
    within[twice], other[half] = 1.0, 1.0
    assert (again @ within)[twice] == pytest.approx((hessian @ within)[twice] / 4, rel=1e-6)
    assert (again @ other)[half] == pytest.approx((hessian @ other)[half] * 4, rel=1e-6)
    vector = np.random.default_rng(0).standard_normal(again.shape[0])
    vector[[18, 19, 56, 57]] = 0  # biases before BN: without effect, up to rounding
    found = scaled(again, filter_lengths(network)) @ vector
    assert found == pytest.approx(by_length @ vector, rel=1e-6, abs=1e-7)


def test_filters_have_lengths_in_hidden_and_in_normalised_layers() -> None:
    network = small(norm_layers=[2])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(2.0)
    # 2 filters of 9, 2 biases, 2 filters of 18, 2 biases, gamma and beta, the classifier
    expected = [6.0] * 18 + [1.0] * 2 + [72**0.5] * 36 + [1.0] * 6 + [1.0] * (8 * 10 + 10)
    assert filter_lengths(network) == pytest.approx(np.array(expected))
    assert not scale_invariant(network)
    assert scale_invariant(small())
    assert not scale_invariant(small("none"))
    assert not scale_invariant(small("layer"))
    logits = small(norm_layers=[1, 2, 3])
    assert scale_invariant(logits)
    lengths = filter_lengths(logits)
    assert (lengths[-30:] == 1).all()  # biases, gamma and beta of the logits
    assert (lengths[-30 - 80 : -30] != 1).all()


def test_a_locally_connected_layer_has_filters_of_its_own_at_each_place() -> None:
    network = build("locally_connected", "none")
    layer = next(each for each in network if isinstance(each, LocallyConnected2d))
    first = next(m for m in network.modules() if list(m.parameters(recurse=False)))
    assert first is layer
    lengths = torch.stack([f.flatten(1).norm(dim=1) for f in layer.filters()])  # place, output
    ours = torch.from_numpy(filter_lengths(network)[: layer.weight.numel()])
    expected = lengths.double().flatten().repeat_interleave(layer.weight.shape[-1])
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=0)


def test_the_largest_eigenvalues_and_lanczos_are_numpys() -> None:
    network, (x, y) = small(), images()
    hessian = Hessian(network, x, y)
    expected = np.linalg.eigvalsh(matrix(hessian))
    rng = np.random.default_rng(0)
    values, vectors = largest(hessian, 4, rng)
    assert values == pytest.approx(expected[::-1][:4], rel=1e-3)
    assert np.linalg.norm(hessian @ vectors[:, 0] - values[0] * vectors[:, 0]) < 0.02 * values[0]
    diagonal, off = lanczos(hessian, rng.standard_normal(len(expected)), 60)
    tridiagonal = np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1)
    ritz = np.linalg.eigvalsh(tridiagonal)
    assert ritz[[0, -1]] == pytest.approx(expected[[0, -1]], rel=1e-6)
    with pytest.raises(ValueError, match="dimension mismatch"):
        hessian @ np.zeros(3)


def test_lanczos_of_as_many_steps_as_eigenvalues_finds_all_of_them() -> None:
    values = np.array([-3.0, -1.0, 0.0, 0.5, 2.0, 7.0])
    rng = np.random.default_rng(1)
    basis = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    operator = aslinearoperator(basis @ np.diag(values) @ basis.T)
    diagonal, off = lanczos(operator, rng.standard_normal(6), 6)
    found = np.linalg.eigvalsh(np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1))
    assert found == pytest.approx(values, abs=1e-9)
    diagonal, off = lanczos(aslinearoperator(np.diag([1.0] * 4 + [5.0] * 2)), np.ones(6), 6)
    assert len(diagonal) == 2  # the space ends: there are two different eigenvalues


def test_the_quadratures_distribution_is_that_of_the_eigenvalues() -> None:
    rng = np.random.default_rng(2)
    values = np.concatenate([rng.normal(0, 0.1, 190), [3.0] * 10])
    basis = np.linalg.qr(rng.standard_normal((200, 200)))[0]
    found = quadrature(aslinearoperator(basis @ np.diag(values) @ basis.T), 30, 20, rng)
    assert found.shares.sum() == pytest.approx(1)
    assert found.mean == pytest.approx(values.mean(), abs=0.02)
    assert found.shares[found.nodes > 2].sum() == pytest.approx(0.05, abs=0.015)
    grid, density = found.density(0.2)
    assert np.trapezoid(density, grid) == pytest.approx(1, abs=1e-3)
    expected = stats.norm.pdf(grid[:, None], values, 0.2).mean(1)
    assert np.abs(density - expected).max() < 0.1 * expected.max()
