"""Options that several commands share; their help comes from the settings' own descriptions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hindi_bn import registry
from hindi_bn.cli.app import print_json
from hindi_bn.registry import is_outside, nearest
from hindi_bn.study import Device, Run, Study, data_names, norm_names
from hindi_bn.study.old_names import new_value

if TYPE_CHECKING:
    from hindi_bn.records import Record
    from hindi_bn.runners.local import Runner


def of_study(key: str, **more: Any) -> Any:
    """Return the option for a key of a run or a study; its help is the key's description."""
    fields = Run.model_fields if key in Run.model_fields else Study.model_fields
    keywords = {"help": fields[key].description, "show_default": "the study's"} | more
    return typer.Option(f"--{key.replace('_', '-')}", **keywords)


def known(names: Callable[[], Sequence[str]]) -> dict[str, Any]:
    """Return the keywords of an option that takes a known name, or `package.module:Name`."""
    return _checked(names, "NAME", " One of your own is named package.module:Name.")


def one_of(key: str, names: Sequence[str]) -> dict[str, Any]:
    """Return the keywords of an option that takes a name, or the old name of a value of a key."""
    return _checked(lambda: names, f"[{'|'.join(names)}]", key=key)


def _checked(
    names: Callable[[], Sequence[str]], metavar: str, outside: str = "", key: str = ""
) -> dict[str, Any]:
    def check(value: str | None) -> str | None:
        name: str | None = new_value(key, value, note=True) if key else value
        valid = names()
        if name is None or name in valid or (outside and is_outside(name)):
            return name
        listed = f"{name!r} is none of {', '.join(valid)}.{nearest(name, valid)}"
        raise typer.BadParameter(listed + outside)

    return {"metavar": metavar, "callback": check, "autocompletion": lambda: list(names())}


NORMS = f"{', '.join(norm_names())}, or package.module:Name"
DATA = one_of("data", data_names())

Config = Annotated[str, typer.Option(
    "--config", "-c", metavar="NAME|FILE",
    help="Study to use: the name of one that comes along, or a YAML file.",
)]  # fmt: skip
Set = Annotated[list[str] | None, typer.Option(
    "--set", metavar="KEY=VALUE", show_default="none",
    help="Set any key of the study, as lr=0.01, norm.eps=0.1 or runs.bn.epochs=5; "
    "may be repeated.",
)]  # fmt: skip
Out = Annotated[
    Path,
    typer.Option(
        "--out",
        metavar="DIR",
        envvar="HINDI_BN_OUT",
        help="Folder that holds the studies' results.",
    ),
]
Evidence = Annotated[Path | None, typer.Option(
    "--evidence", metavar="DIR", help="Folder of the evidence.", show_default="evidence in --out",
)]  # fmt: skip
DataDir = Annotated[Path, typer.Option(
    "--data-dir", metavar="DIR", envvar="HINDI_BN_DATA", help="Folder that holds the digits."
)]  # fmt: skip
Data = Annotated[str | None, of_study("data", **DATA)]
DeviceOption = Annotated[Device | None, of_study("device")]
Threads = Annotated[int | None, of_study("threads", show_default="torch's own")]
Epochs = Annotated[int | None, of_study("epochs")]
Seed = Annotated[int | None, of_study("seed")]
BatchSize = Annotated[int | None, of_study("batch_size")]
LearningRate = Annotated[float | None, of_study("lr")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with an unfinished run from its checkpoint.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what an earlier run recorded.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes on stderr.")]
Trackers = Annotated[list[str] | None, typer.Option(
    "--tracker", metavar="NAME", show_default="none",
    help="Follow each run by a tracker: " + " ".join(
        f"{name}: {text}" for name, text in registry.summaries("trackers").items()
    ) + " May be repeated.", autocompletion=lambda: list(registry.names("trackers")),
)]  # fmt: skip


Labels = Annotated[list[str] | None, typer.Option(
    "--labels", metavar="RUN=LABEL", show_default="the runs' names",
    help="What tables and figures call a run, as no-bn='without BN'; may be repeated.",
)]  # fmt: skip


class FigureFormat(StrEnum):
    """File formats of figures; an enumeration, as typer takes no list of a Literal."""

    png = "png"
    svg = "svg"
    pdf = "pdf"


Format = Annotated[list[FigureFormat] | None, typer.Option(
    "--format", help="File format of the figures; may be repeated.", show_default="png"
)]  # fmt: skip
Dpi = Annotated[int, typer.Option("--dpi", min=30, max=1200, help="Dots per inch of PNG figures.")]
Executor = Annotated[
    Literal["local", "ray"],
    typer.Option("--executor", help="Who trains: this machine, or a Ray cluster."),
]
RayAddress = Annotated[str | None, typer.Option(
    "--ray-address", metavar="ADDRESS", show_default="a cluster of this machine's own",
    help="Ray cluster to use, with --executor ray.",
)]  # fmt: skip
GpusPerRun = Annotated[float | None, typer.Option(
    "--gpus-per-run", min=0, metavar="SHARE", show_default="none: on the CPU",
    help="GPUs that a run takes, with --executor ray; 0.25 lets four runs share one.",
)]  # fmt: skip
Workers = Annotated[int | None, typer.Option(
    "--workers", min=1, metavar="N", show_default="one per core",
    help="Worker processes on this machine's CPU.",
)]  # fmt: skip
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="List what would be trained and estimate its cost.")
]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Train runs again that failed before.")
]


def seeds(whose: str) -> Any:
    """Return the option for a number of seeds; `whose` says what holds unless it is given."""
    return typer.Option("--seeds", min=1, metavar="N", help="Seeds.", show_default=whose)


def default_run() -> Path:
    """Return the run that is asked unless one is named, where results are kept by default."""
    return Path(os.environ.get("HINDI_BN_OUT", "results")) / "article" / "bn"


def overrides(assignments: list[str] | None, **flags: Any) -> dict[str, Any]:
    """Join `--set` and the flags that were given; a flag beats `--set`, which beats the file."""
    from hindi_bn.study.files import parse_assignments
    from hindi_bn.study.refusal import Typed

    given = {
        Typed(key, f"--{key.replace('_', '-')} {value}"): value
        for key, value in flags.items()
        if value is not None
    }
    return parse_assignments(assignments or []) | given


def tell_files(written: Sequence[Path], *, json_: bool) -> None:
    """Print the files that were written: a line each, or one JSON document."""
    if json_:
        print_json({"files": [str(path) for path in written]})
    else:
        for path in written:
            typer.echo(path)


def runs(given: Sequence[str], labels: Sequence[str] | None = None) -> list[Record | str]:
    """Return runs that were given as DIR, or read as LABEL=DIR; `labels` are of other runs."""
    import hindi_bn

    read: list[Record | str] = []
    for text in given:
        label, _, folder = text.rpartition("=")
        labelled = label and not Path(text).exists()
        read.append(hindi_bn.read_run(folder, label) if labelled else text)
    return read if not labels else [*labelled_runs(map(hindi_bn.read_run, read), labels)]


def labelled_runs(records: Iterable[Record], labels: Sequence[str]) -> list[Record]:
    """Label runs by texts RUN=LABEL; usage error for a text that is none, or fits no run."""
    import hindi_bn

    records, called = list(records), dict(text.split("=", 1) for text in labels if "=" in text)
    names = [record.run.name for record in records]
    for text in labels:
        name = text.partition("=")[0]
        if not called.get(name) or name not in names:
            raise typer.BadParameter(
                f"--labels {text!r} is not RUN=LABEL with one of the runs {', '.join(names)}."
            )
    return [
        hindi_bn.read_run(record, record.label or called.get(record.run.name, ""))
        for record in records
    ]


def formats(chosen: list[FigureFormat] | None) -> tuple[str, ...]:
    """Return the chosen figure formats, each once; PNG if none was."""
    return tuple(dict.fromkeys(each.value for each in chosen or [FigureFormat.png]))


def runner(executor: str, address: str | None, gpus: float | None, workers: int | None) -> Runner:
    """Return who trains the runs; usage error, exit code 2, for an option of the other executor."""
    if executor == "ray":
        if workers is not None:
            raise typer.BadParameter("--workers is for --executor local; a cluster has its own.")
        from hindi_bn.runners.ray_runner import RayRunner

        return RayRunner(address, gpus_per_run=gpus or 0)
    for option, value in (("--ray-address", address), ("--gpus-per-run", gpus)):
        if value is not None:
            raise typer.BadParameter(f"{option} needs --executor ray.")
    from hindi_bn.runners.local import LocalRunner

    return LocalRunner(workers)
