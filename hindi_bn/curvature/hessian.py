"""The Hessian of a network's loss in its parameters, as an operator: products, no matrix.

A product with a vector is the gradient of the gradient's inner product with it, by two calls of
`autograd.grad`, batch by batch; `torch.func` cannot differentiate through BN's running averages.
The layers are arranged as `numerics: fast` arranges them (`hindi_bn.training.numerics`), whose own
backward pass of BN is torch's kernel and has torch's derivative: the tests hold it against finite
differences. Maps are float32 unless the network is float64; sums over batches, and whatever is done
with the vectors, are float64.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator
from torch import nn
from torch.nn import functional

from hindi_bn.networks import kind_of
from hindi_bn.networks.local import as_filters
from hindi_bn.networks.norms import norm_of
from hindi_bn.networks.preserved import preserved
from hindi_bn.training.numerics import arrange

Vector = NDArray[np.float64]
Statistics = Literal["batch", "whole", "running"]
"""What BN normalises by: batches of the training size, all images as one batch (train mode), or the
running averages (eval mode). These are three functions of the weights."""

AT_ONCE = 64
"""Images of a pass in eval mode, where it does not matter: their maps stay in the caches."""


class Hessian(LinearOperator):
    """The Hessian of the mean loss over images, (parameters, parameters), at today's weights.

    `batch_size` counts for `batch`; a last batch of one image joins the one before it.
    """

    def __init__(
        self,
        network: nn.Sequential,
        images: torch.Tensor,
        labels: torch.Tensor,
        statistics: Statistics = "batch",
        batch_size: int = 32,
        *,
        loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = functional.cross_entropy,
        on_product: Callable[[], None] = lambda: None,
    ) -> None:
        network = copy.deepcopy(network)  # `arrange` changes how weights lie in memory
        self.parameters = list(network.parameters())
        size = sum(each.numel() for each in self.parameters)
        super().__init__(np.dtype(np.float64), (size, size))  # type: ignore[call-arg]
        self._layers, self._loss, self._on_product = arrange(network, "fast"), loss, on_product
        self._train = statistics != "running"
        sizes = {"batch": batch_size, "whole": len(labels), "running": AT_ONCE}
        self._batches = list(_batches(images, labels, sizes[statistics], joined=self._train))
        self._images = len(labels)

    def gradient(self) -> tuple[float, Vector]:
        """Return the loss and its gradient (parameters,)."""
        loss, gradient = 0.0, np.zeros(self.shape[0])
        for share, here in self._losses():
            gradient += share * _joined(torch.autograd.grad(here, self.parameters))
            loss += share * float(here.detach())
        return loss, gradient

    def _matvec(self, x: Any) -> Vector:
        parts = torch.from_numpy(np.array(x, dtype=np.float64).ravel()).split(
            [each.numel() for each in self.parameters]
        )
        vectors = [v.view(p.shape).to(p) for v, p in zip(parts, self.parameters, strict=True)]
        product = np.zeros(self.shape[0])
        for share, loss in self._losses():
            first = torch.autograd.grad(loss, self.parameters, create_graph=True)
            both = [(g, v) for g, v in zip(first, vectors, strict=True) if g.requires_grad]
            second = torch.autograd.grad(
                [g for g, _ in both], self.parameters, [v for _, v in both],
                allow_unused=True, materialize_grads=True,
            )  # fmt: skip
            product += share * _joined(second)
        self._on_product()
        return product

    def _losses(self) -> Iterator[tuple[float, torch.Tensor]]:
        """Give each batch's share of the images, and its loss."""
        with torch.enable_grad(), preserved(self._layers, train=self._train):
            for images, labels in self._batches:
                yield len(labels) / self._images, self._loss(self._layers(images), labels)


def scaled(hessian: LinearOperator, lengths: Vector) -> LinearOperator:
    """Return the Hessian in parameters divided by their `lengths`: lengths_i H_ij lengths_j."""
    return LinearOperator(
        hessian.shape, lambda x: lengths * (hessian @ (lengths * np.ravel(x))), dtype=np.float64
    )


def filter_lengths(network: nn.Sequential) -> Vector:
    """Return the L2 norm of each parameter's own filter; 1 for those that are in none.

    Filters are those of the layers that are normalised or hidden: of the classifier too where its
    logits are normalised. BN takes the length of a filter before it away again, so the Hessian in
    the weights over their lengths is that of the same function however long they are (Lyu et al.
    2022, with a length for each filter instead of one for all).
    """
    having = [name for name, _ in network.named_children() if _has_filters(network, name)]
    divided = {*having[:-1], *_normalised(network)}
    lengths = []
    for name, values in network.named_parameters():
        length = torch.ones_like(values, dtype=torch.float64)
        of_filter = not name.endswith(("bias", "original0"))  # the lengths of a weight norm
        if of_filter and name.partition(".")[0] in divided:
            filters = as_filters(values.detach().double())
            length = torch.linalg.vector_norm(filters, dim=1, keepdim=True).expand_as(filters)
        lengths.append(length.flatten().cpu().numpy())
    return np.concatenate(lengths)


def scale_invariant(network: nn.Sequential) -> bool:
    """Tell whether BN stands directly behind every layer whose filters have a length."""
    names = [name for name, _ in network.named_children() if _has_filters(network, name)]
    return set(names[:-1]) <= set(_normalised(network)) != set()


def _normalised(network: nn.Sequential) -> list[str]:
    """Name the layers with filters directly behind which a norm over the batch stands."""
    layers = list(network.named_children())
    norms = [norm_of(layer) for _, layer in layers[1:]]
    return [
        name
        for (name, _), norm in zip(layers, norms, strict=False)
        if _has_filters(network, name) and norm is not None and norm.over == "batch"
    ]


def _has_filters(network: nn.Module, name: str) -> bool:
    return kind_of(network.get_submodule(name)) in {"convolution", "local", "linear"}


def _batches(
    images: torch.Tensor, labels: torch.Tensor, size: int, *, joined: bool
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    sizes = [len(part) for part in labels.split(size)]
    if joined and len(sizes) > 1 and sizes[-1] == 1:
        sizes[-2:] = [sizes[-2] + 1]
    yield from zip(images.split(sizes), labels.split(sizes), strict=True)


def _joined(tensors: tuple[torch.Tensor, ...]) -> Vector:
    joined = torch.cat([each.detach().double().flatten() for each in tensors])
    return np.asarray(joined.cpu().numpy(), dtype=np.float64)
