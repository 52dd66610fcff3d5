"""Which runs the engine can train, and by which numerics a run is trained."""

from typing import Any

import torch

from hindi_bn.engine.library import load, why_not
from hindi_bn.errors import StudyError
from hindi_bn.networks import options_of
from hindi_bn.study import Numerics, Run, Study

NETWORKS = ("three_convs", "one_conv")
NORMS = ("none", "batch", "layer", "instance", "group")
WIDTH, CONVOLUTIONS, SIDES = 16, 8, range(16, 33, 2)
KNOWN = (
    f"It knows the networks {' and '.join(NETWORKS)} with {WIDTH} channels, the norms "
    f"{', '.join(NORMS)}, ReLU, max and average pooling, zero padding, and SGD, in float32 "
    "on a CPU (--device cpu)."
)


def numerics_of(study: Study, run: Run) -> Numerics:
    """Return how a run is computed: where the study says `auto`, by the engine if it can."""
    if study.numerics != "auto":
        return study.numerics
    return "fast" if unknown(study, run) or why_not() else "engine"


def refuse(study: Study, run: Run) -> None:
    """Raise StudyError where the engine is asked for and is not there, or cannot train a run."""
    if study.numerics != "engine":
        return
    if what := unknown(study, run):
        raise StudyError(
            f"The engine cannot train run {run.name!r}: it does not know {what}.",
            KNOWN,
            "set numerics: fast, or auto, which takes the engine for the runs that it knows",
        )
    load()


def unknown(study: Study, run: Run) -> str:
    """Name what the engine does not know of a run; empty when it can train it."""
    if run.network not in NETWORKS:
        return f"network {run.network!r}"
    options: dict[str, Any] = options_of(run)
    on_cpu = study.device == "cpu" or (study.device == "auto" and not torch.cuda.is_available())
    checks = {
        f"norm {run.norm.name!r}": run.norm.name in NORMS,
        "norms in single layers": run.norm_layers is None,
        f"activation {options['activation']!r}": options["activation"] == "relu",
        f"pooling {options['pooling']!r}": options["pooling"] in {"max", "avg"},
        f"a width of {options['width']} channels": options["width"] == WIDTH,
        f"more than {CONVOLUTIONS} convolutions": options.get("convolutions", 1) <= CONVOLUTIONS,
        f"padding {options['padding']!r}": options["padding"] == "zero",
        "halved images": not run.halved,
        "the spatial transformer": not run.transformer,
        "dropout": run.dropout == 0,
        f"optimizer {run.optimizer!r}": run.optimizer == "sgd",
        f"precision {study.precision!r}": study.precision == "float32",
        f"images of {study.image_size} x {study.image_size} pixels": study.image_size in SIDES,
        f"device {study.device!r}": on_cpu,
    }
    return next((what for what, known in checks.items() if not known), "")
