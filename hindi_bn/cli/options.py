"""Options that several commands share; their help comes from the settings' own descriptions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from hindi_bn.registry import is_outside, nearest
from hindi_bn.study import Run, Study, norm_names

STUDYS = "the study's"


def described(field: str, suffix: str = "") -> str:
    """Return the description of a key of a run or a study, for an option's help."""
    fields = Run.model_fields if field in Run.model_fields else Study.model_fields
    return f"{fields[field].description}{suffix}"


class DeviceName(StrEnum):
    """Devices that can be asked for."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


class DataName(StrEnum):
    """Data sets that can be asked for."""

    digits = "digits"
    drawn = "drawn"
    mnist = "mnist"
    fashion_mnist = "fashion-mnist"


def known(names: Callable[[], Sequence[str]]) -> dict[str, Any]:
    """Return the keywords of an option that takes a known name, or `package.module:Name`."""

    def check(value: str | None) -> str | None:
        valid = names()
        if value is None or value in valid or is_outside(value):
            return value
        raise typer.BadParameter(
            f"{value!r} is none of {', '.join(valid)}.{nearest(value, valid)} One of your own is "
            "named package.module:Name."
        )

    return {"metavar": "NAME", "callback": check, "autocompletion": lambda: list(names())}


NORMS = f"{', '.join(norm_names())}, or package.module:Name"

Config = Annotated[
    str,
    typer.Option(
        "--config", "-c", metavar="NAME|FILE",
        help="Study to use: the name of one that comes along, or a YAML file.",
    ),
]  # fmt: skip
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", show_default="none",
        help="Set any key of the study, as lr=0.01, capture.wx=[0,0,1,1] or runs.bn.epochs=5; "
        "may be repeated.",
    ),
]  # fmt: skip
Out = Annotated[
    Path,
    typer.Option("--out", metavar="DIR", help="Folder that holds the studies' results."),
]
DataDir = Annotated[
    Path,
    typer.Option(
        "--data-dir", metavar="DIR", envvar="HINDI_BN_DATA", help="Folder that holds the digits."
    ),
]
Data = Annotated[
    DataName | None,
    typer.Option("--data", help=described("data"), show_default=STUDYS),
]
DeviceOption = Annotated[
    DeviceName | None,
    typer.Option("--device", help=described("device"), show_default=STUDYS),
]
Threads = Annotated[
    int | None, typer.Option("--threads", help=described("threads"), show_default="torch's own")
]
Epochs = Annotated[
    int | None, typer.Option("--epochs", help=described("epochs"), show_default=STUDYS)
]
Seed = Annotated[int | None, typer.Option("--seed", help=described("seed"), show_default=STUDYS)]
BatchSize = Annotated[
    int | None, typer.Option("--batch-size", help=described("batch_size"), show_default=STUDYS)
]
LearningRate = Annotated[
    float | None, typer.Option("--lr", help=described("lr"), show_default=STUDYS)
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with an unfinished run from its checkpoint.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what an earlier run recorded.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes on stderr.")]


def overrides(assignments: list[str] | None, **flags: Any) -> dict[str, Any]:
    """Join `--set` and the flags that were given; a flag beats `--set`, which beats the file."""
    from hindi_bn.study.files import parse_assignments

    given = {key: getattr(value, "value", value) for key, value in flags.items()}
    chosen = {key: value for key, value in given.items() if value is not None}
    return parse_assignments(assignments or []) | chosen
