"""The options that say who trains many runs, and what they stand for."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hindi_bn.runners.local import Runner


class ExecutorName(StrEnum):
    """Who trains the runs."""

    local = "local"
    ray = "ray"


ExecutorOption = Annotated[
    ExecutorName,
    typer.Option("--executor", help="Who trains: this machine, or a Ray cluster."),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray-address", metavar="ADDRESS", show_default="a cluster of this machine's own",
        help="Ray cluster to use, with --executor ray.",
    ),
]  # fmt: skip
GpusPerRun = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-run", min=0, metavar="SHARE", show_default="none: on the CPU",
        help="GPUs that a run takes, with --executor ray; 0.25 lets four runs share one.",
    ),
]  # fmt: skip
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", min=1, metavar="N", show_default="one a core",
        help="Worker processes on this machine's CPU.",
    ),
]  # fmt: skip


def check_executor(
    name: ExecutorName, address: str | None, gpus: float | None, workers: int | None
) -> None:
    """Refuse options that belong to the other executor; usage error, exit code 2."""
    if name is ExecutorName.ray and workers is not None:
        raise typer.BadParameter("--workers is for --executor local; a cluster has its own.")
    for option, value in (("--ray-address", address), ("--gpus-per-run", gpus)):
        if name is not ExecutorName.ray and value is not None:
            raise typer.BadParameter(f"{option} needs --executor ray.")


def executor_of(
    name: ExecutorName, address: str | None, gpus: float | None, workers: int | None
) -> Runner:
    """Return who trains the runs."""
    if name is ExecutorName.ray:
        from hindi_bn.runners.ray_runner import RayRunner

        return RayRunner(address, gpus_per_run=gpus or 0)
    from hindi_bn.runners.local import LocalRunner

    return LocalRunner(workers)
