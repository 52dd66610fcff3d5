"""Evidence that the page can repeat: runs of the engine whose every draw the page makes itself."""

from collections.abc import Iterable
from typing import Any

from hindi_bn.engine.choice import unknown
from hindi_bn.evidence.audit import study_of
from hindi_bn.evidence.keys import significant
from hindi_bn.evidence.row import Row
from hindi_bn.networks import options_of
from hindi_bn.study import Run, Study

MOST = 1000
"""Rows aboard; of each arm as many."""

EXACT = 2**53
"""Whole numbers from here on are not exact in a browser."""


def repeatable(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return the rows that the page can repeat, by arm; see source/repeat.js.

    Of each arm its settings as the page's engine is told them, and the sha256 of its data's pixels;
    of each run key, seed, test accuracy by epoch and the weights' sha256, least seeds first.
    """
    arms: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: (row.seed, row.key)):
        if row.status != "finished" or row.numerics != "engine" or row.seed >= EXACT:
            continue
        study = study_of(row)
        if not _known(study, study.runs[0]):
            continue
        arm = {**_settings(study.runs[0]), "data": row.data["sha256"]}
        run = {
            "key": row.key, "seed": row.seed, "sha256": row.weights,
            "test_accuracy": [round(each, 6) for each in row.history["test_accuracy"]],
        }  # fmt: skip
        runs = arms.setdefault(repr(arm), {**arm, "runs": {}})["runs"]
        runs.setdefault(row.key, run)  # a run trained twice has the same bits
    each = MOST // max(len(arms), 1)
    return [{**arm, "runs": [*arm["runs"].values()][:each]} for arm in arms.values()]


def _known(study: Study, run: Run) -> bool:
    """Tell whether the page draws and computes all that a run needs, and can read its data."""
    drawn = run.init.name == "default" and significant(run.norm).get("gamma_beta") is None
    plain = run.scaling == "unit" and run.augment == "none" and run.train_images is None
    return study.data == "digits" and drawn and plain and not unknown(study, run)


def _settings(run: Run) -> dict[str, Any]:
    options = options_of(run)
    return {
        "convolutions": options.get("convolutions", 1), "norm": run.norm.model_dump(mode="json"),
        "after": run.placement == "after", "average": options["pooling"] == "avg",
        "lr": run.lr, "momentum": run.momentum, "batch": run.batch_size,
        "tested": run.test_batch_size, "epochs": run.epochs,
    }  # fmt: skip
