"""Probabilities that mean what they say (Guo et al. 2017, arXiv 1706.04599)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

Floats = NDArray[np.floating[Any]]


def calibrated(probabilities: Floats, temperature: float) -> Floats:
    """Return (n, classes) softened by a temperature above 1, sharpened by one below."""
    return np.exp(_logs(probabilities, temperature))


def temperature_of(probabilities: Floats, labels: NDArray[np.integer[Any]]) -> float:
    """Return the temperature, 0.2 to 5, at which (n, classes) give true labels most likely."""

    def loss(temperature: float) -> float:
        logs = _logs(probabilities, temperature)
        return -float(logs[np.arange(len(labels)), labels].mean())

    return float(minimize_scalar(loss, bounds=(0.2, 5.0), method="bounded").x)


def _logs(probabilities: Floats, temperature: float) -> Floats:
    tiny = np.finfo(np.float32).tiny  # float32 may have rounded to 0
    logs: Floats = log_softmax(np.log(np.maximum(probabilities, tiny)) / temperature, axis=1)
    return logs
