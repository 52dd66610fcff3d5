"""Ensembles written down: every member as an ordinary run's folder."""

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hindi_bn.digits import Digits
from hindi_bn.errors import RunError
from hindi_bn.records import RunFolder
from hindi_bn.training.device import choose_device, prepare
from hindi_bn.training.gpu.ensemble import Member, OnEpoch, Trained, train_ensemble
from hindi_bn.training.run import environment_of, run_folder


def record_ensemble(
    members: Sequence[Member],
    digits: Digits,
    out: Path,
    *,
    overwrite: bool = False,
    command: str = "",
    on_epoch: OnEpoch = lambda member, row: None,
    note: Callable[[str], None] = lambda text: None,
) -> list[Trained]:
    """Train many runs at once, each into its folder, as `hindi_bn.training.run.train_run` does.

    The folders are held from the beginning and written when all members are trained: an ensemble
    that is interrupted leaves nothing. environment.json says how many were trained together and
    how; a diverged member's folder has its history, no weights, and `diverged` there.

    RunError when two members have the same folder, or a folder exists without `overwrite`, is in
    use or cannot be written; StudyError as `train_ensemble`.
    """
    if not members:
        return []
    device = choose_device(members[0].study.device)
    folders = [run_folder(member.study, member.name, out) for member in members]
    for path, count in Counter(folder.path for folder in folders).items():
        if count > 1:
            raise RunError(
                f"Two members of the ensemble have the folder {path}.",
                "They have the same study's name and the same run's name.",
                "name each member's study differently, for example by its seed",
            )
    with contextlib.ExitStack() as held:
        for folder in folders:
            held.enter_context(folder.locked())
            if folder.exists and not overwrite:
                raise RunError(
                    f"{folder.path} already holds a run.",
                    "Nothing is overwritten unasked.",
                    "leave this member away, write elsewhere, or replace it with --overwrite",
                )
        prepare(members[0].study.threads, device, members[0].study.precision)
        environment = environment_of(digits, device, command)
        every = train_ensemble(members, digits, on_epoch=on_epoch, note=note)
        for folder, trained in zip(folders, every, strict=True):
            _write(folder, trained, environment, command)
    return every


def _write(folder: RunFolder, trained: Trained, environment: dict[str, Any], command: str) -> None:
    folder.clear()
    run = trained.member.run
    folder.write_settings(trained.member.study, run, command)
    rows = [asdict(row) | more for row, more in zip(trained.rows, trained.columns, strict=True)]
    folder.write_history(rows, run.history_columns)
    seconds = trained.rows[-1].seconds if trained.rows else 0.0
    document = {
        **environment,
        "ensemble": {"method": trained.method, "members": trained.together},
        "seconds": {"training": seconds},
    }
    if trained.diverged is not None:
        document["diverged"] = {"epoch": trained.diverged.epoch, "step": trained.diverged.step}
    folder.write_environment(document)
    if trained.weights is not None:
        folder.finish(trained.weights, len(rows), {})
