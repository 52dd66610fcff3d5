"""What runs, arms and keys are called wherever a person reads them: on figures and in tables."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

_RUNS = {"no-bn": "without BN", "none": "without BN", "bn": "with BN", "batch": "with BN"}
_NORMS = {
    "layer": "layer norm", "group": "group norm", "instance": "instance norm",
    "weight": "weight norm", "spectral": "spectral norm", "batch-renorm": "batch renorm",
    "batch-by-hand": "BN by hand", "batch-noisy": "noisy BN", "batch-l1": "BN by the L1 norm",
    "batch-l2": "BN by the L2 norm", "batch-linf": "BN by the largest value",
}  # fmt: skip
_KEYS = {
    "lr": "learning rate", "init": "initial weights", "norm": "normalisation",
    "batch_size": "batch size", "train_images": "training images", "augment": "augmentation",
    "scaling": "input scaling", "dropout": "Dropout", "dropout_place": "Dropout placed",
}  # fmt: skip
_QUANTITIES = {
    "train_loss": "training loss", "train_accuracy": "training accuracy",
    "test_loss": "test loss", "test_accuracy": "test accuracy",
}  # fmt: skip
_VALUES = {
    "placement": {"before": "before the ReLU", "after": "after the ReLU"},
    "halved": {"true": "images halved", "false": "whole images"},
    "transformer": {"true": "with a spatial transformer", "false": "without a transformer"},
}  # fmt: skip


def key_in_words(key: str) -> str:
    """Write a key as it is read.

    Examples:
        >>> key_in_words("lr"), key_in_words("options.pooling")
        ('learning rate', 'pooling')
    """
    return _KEYS.get(key, key.rpartition(".")[2].replace("_", " "))


def value_in_words(key: str, value: str) -> str:
    """Write a value of a key beside its name; norms have names of their own.

    Examples:
        >>> value_in_words("norm", "none"), value_in_words("placement", "after")
        ('without BN', 'after the ReLU')
    """
    if key == "norm":
        name = value.partition("(")[0]  # a norm's settings stand in brackets
        return value.replace(name, _RUNS.get(name) or _NORMS.get(name, name), 1)
    return _VALUES.get(key, {}).get(value, value)


def arms_in_words(arms: Iterable[str]) -> dict[str, str]:
    """Write arms, or runs of a study, as they are read; as they are where two would be alike.

    Examples:
        >>> list(arms_in_words(["no-bn", "bn"]).values())
        ['without BN', 'with BN']
        >>> list(arms_in_words(["norm=batch, lr=0.1", "norm=layer, lr=0.1"]).values())
        ['with BN, learning rate 0.1', 'layer norm, learning rate 0.1']
    """
    words = {arm: ", ".join(map(_part, _parts(arm))) for arm in arms}
    return words if len(set(words.values())) == len(words) else {arm: arm for arm in words}


def rows_in_words(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Write the `run` or `arm`, and the `quantity`, of a table's rows as they are read."""
    rows = list(rows)
    words = {key: arms_in_words(row[key] for row in rows if key in row) for key in ("run", "arm")}
    words["quantity"] = _QUANTITIES
    return [
        {key: words[key].get(value, value) if key in words else value for key, value in row.items()}
        for row in rows
    ]


def counted(number: int, what: str) -> str:
    """Write a number of things.

    Examples:
        >>> counted(1, "epoch"), counted(1700, "image")
        ('1 epoch', '1,700 images')
    """
    return f"{number:,} {what}{'s' * (number != 1)}"


def norm_of_arm(arm: str) -> str | None:
    """Return the norm that an arm's or a run's name says, if it says one."""
    for part in _parts(arm):
        name = part.removeprefix("norm=").partition("(")[0]
        if name in _RUNS:
            return "batch" if _RUNS[name] == "with BN" else "none"
        if name in _NORMS:
            return name
    return None


def _part(part: str) -> str:
    key, is_pair, value = part.partition("=")
    if not is_pair or key == "norm":
        return value_in_words("norm", value or part)
    words = value_in_words(key, value)
    return words if words != value else f"{key_in_words(key)} {value}"


def _parts(arm: str) -> list[str]:
    """Divide an arm's name at its commas, but for those within brackets."""
    return re.split(r", (?![^(]*\))", arm)
