"""The notebook's way to train, written from its description, to measure ours against.

Every epoch opens and decodes every image again (`ImageFolder` behind a `DataLoader`), the loss of
every step and every prediction go to Python lists, and scikit-learn counts the right ones.
"""

import time
from pathlib import Path
from typing import Any

import torch
from sklearn.metrics import accuracy_score
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import transforms

from hindi_bn.digits.images import image_folder
from hindi_bn.study import Run
from hindi_bn.training.loop import OnStep

SCALING = {"half": ((0.5,), (0.5,)), "standard": ((0.242318,), (0.388673,))}
"""Mean and std to scale the images by; for `standard`, those of the article's digits."""


Batches = DataLoader[tuple[torch.Tensor, torch.Tensor]]


def _images(folder: Path, transform: Any, every: int) -> Any:
    images = image_folder(folder, transform=transform)
    return images if every == 1 else Subset(images, range(0, len(images), every))


class NotebookWay:
    """A network trained and tested the notebook's way, on every 4th image if `every` is 4.

    The folder holds Train/digit_0 … Test/digit_9 with PNG images.
    """

    def __init__(self, folder: Path, run: Run, network: nn.Module, every: int = 1) -> None:
        steps = [transforms.Grayscale(), transforms.ToTensor()]
        if run.scaling != "unit":
            steps.append(transforms.Normalize(*SCALING[run.scaling]))
        train = _images(folder / "Train", transforms.Compose(steps), every)
        test = _images(folder / "Test", transforms.Compose(steps), every)
        self._train: Batches = DataLoader(train, batch_size=run.batch_size, shuffle=True)
        self._test: Batches = DataLoader(test, batch_size=run.test_batch_size)
        self._network = network
        self._device = next(network.parameters()).device
        if run.optimizer == "adam":
            self._optimizer: torch.optim.Optimizer = torch.optim.Adam(network.parameters(), run.lr)
        else:
            self._optimizer = torch.optim.SGD(network.parameters(), run.lr, run.momentum)

    def epoch(self, on_step: OnStep) -> dict[str, float]:
        """Train and test once; losses, accuracies, and the seconds of both passes."""
        began = time.perf_counter()
        train_loss, train_accuracy = self._pass(self._train, on_step)
        trained = time.perf_counter()
        test_loss, test_accuracy = self._pass(self._test)
        return {
            "train_loss": train_loss,
            "train_accuracy": train_accuracy,
            "test_loss": test_loss,
            "test_accuracy": test_accuracy,
            "train_seconds": trained - began,
            "seconds": time.perf_counter() - began,
        }

    def _pass(self, batches: Batches, on_step: OnStep | None = None) -> tuple[float, float]:
        """Return the mean loss and the accuracy; without `on_step` nothing is trained."""
        self._network.train(on_step is not None)
        losses, predicted, expected = [], [], []
        with torch.set_grad_enabled(on_step is not None):
            for step, (images, labels) in enumerate(batches, start=1):
                outputs = self._network(images.to(self._device))
                loss = nn.functional.cross_entropy(outputs, labels.to(self._device))
                if on_step is not None:
                    self._optimizer.zero_grad()
                    loss.backward()
                    self._optimizer.step()
                    on_step(step, len(batches))
                losses.append(loss.item())
                predicted += outputs.argmax(1).tolist()
                expected += labels.tolist()
        return sum(losses) / len(losses), float(accuracy_score(expected, predicted))
