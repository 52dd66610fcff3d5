"""Which digits are recognised: per-class scores and the confusion matrix, by scikit-learn."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hindi_bn.errors import RunError

Classes = NDArray[np.integer[Any]]
DIGITS = list(range(10))


def per_class(labels: Classes, predictions: Classes) -> pd.DataFrame:
    """Score every class, from the true and predicted class of each image, shape (images,).

    Returns a row per class: `class`, `precision`, `recall`, `f1` (0..1;
    0 where nothing was predicted or nothing is there), `support` (images of the class). RunError
    when the lengths differ, or there is no image.
    """
    from sklearn.metrics import precision_recall_fscore_support

    _check(labels, predictions)
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predictions, labels=DIGITS, zero_division=0
    )
    columns = {"precision": precision, "recall": recall, "f1": f1, "support": support}
    return pd.DataFrame({"class": DIGITS, **columns})


def confusion(labels: Classes, predictions: Classes) -> pd.DataFrame:
    """Count the images: a row per true class, a column per predicted one; see `per_class`."""
    from sklearn.metrics import confusion_matrix

    _check(labels, predictions)
    counts = confusion_matrix(labels, predictions, labels=DIGITS)
    return pd.DataFrame(
        counts, index=pd.Index(DIGITS, name="true"), columns=pd.Index(DIGITS, name="predicted")
    )


def _check(labels: Classes, predictions: Classes) -> None:
    if len(labels) != len(predictions) or not len(labels):
        raise RunError(
            "Predictions cannot be scored.",
            f"There are {len(predictions)} predictions for {len(labels)} images.",
            "compare runs of the same data, as in `hindi-bn compare`",
        )
