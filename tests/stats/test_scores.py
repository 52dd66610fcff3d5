"""Per-class scores and the confusion matrix, against counts made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from hindi_bn.errors import RunError
from hindi_bn.stats.scores import confusion, per_class

LABELS = np.array([0, 0, 0, 1, 1, 2])
PREDICTIONS = np.array([0, 0, 1, 1, 1, 0])


def test_confusion_counts_true_by_predicted() -> None:
    matrix = confusion(LABELS, PREDICTIONS).loc[:2, :2]
    assert matrix.to_numpy().tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert (matrix.index.name, matrix.columns.name) == ("true", "predicted")
    assert confusion(LABELS, PREDICTIONS).shape == (10, 10)


def test_scores_by_hand() -> None:
    scores = per_class(LABELS, PREDICTIONS).set_index("class").loc[:2]
    assert scores.loc[0].tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 3])
    assert scores.loc[1].tolist() == pytest.approx([2 / 3, 1, 0.8, 2])
    assert scores.loc[2].tolist() == [0, 0, 0, 1]
    assert list(scores.columns) == ["precision", "recall", "f1", "support"]


def test_digits_without_images_score_zero_without_a_warning() -> None:
    scores = per_class(LABELS, PREDICTIONS)
    assert list(scores["class"]) == list(range(10))
    assert scores[scores["class"] > 2][["f1", "support"]].to_numpy().max() == 0


@pytest.mark.parametrize("function", [per_class, confusion])
def test_predictions_that_do_not_fit_are_refused(function: object) -> None:
    assert callable(function)
    with pytest.raises(RunError, match="5 predictions for 6 images"):
        function(LABELS, PREDICTIONS[:5])
    with pytest.raises(RunError, match="0 predictions for 0 images"):
        function(LABELS[:0], PREDICTIONS[:0])
