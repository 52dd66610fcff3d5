"""Recorded runs: found in a folder of results, filtered, sorted, described, verified, removed."""

import contextlib
import operator
import os
import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from hindi_bn.errors import HindiBnError, RunError, StudyError
from hindi_bn.files import plain_json
from hindi_bn.records import Record, RunFolder
from hindi_bn.registry import nearest
from hindi_bn.runners.jobs import read_failure
from hindi_bn.study.flat import flat_settings

Where = str | os.PathLike[str]

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_CONDITION = re.compile(r"^([\w.-]+?)\s*(!=|<=|>=|=|<|>)\s*(.*)$")


def list_runs(
    out: Where = "results",
    where: Sequence[str] = (),
    *,
    sort: str = "folder",
    reverse: bool = False,
) -> list[dict[str, Any]]:
    """Describe the runs that are recorded anywhere in a folder of results, a flat dict for each.

    It has `folder`, `study`, `run`, `status` (finished, diverged, failed, training, unfinished,
    damaged), `epochs` that are done of `epochs_wanted`, the last `test_accuracy`, `train_loss` and
    others of the history, `best_test_accuracy`, `seconds`, `started`, `seed`, `data`, `device`,
    `numerics`, and the run's keys as in --set, such as `lr`, `norm` and `norm.eps`.

    Args:
        where: Conditions that all hold, as `norm=batch`, `study=art*`, `lr>0.01` or `seed!=1`.
        sort: Key to sort by; runs that do not have it come last.

    Raises:
        StudyError: A condition cannot be read, or no run has the key.
    """
    rows = [_row(file.parent) for file in _records(Path(out))]
    known = list(dict.fromkeys(key for row in rows for key in row))
    for text in where:
        key, holds = _condition(text)
        _refuse_unknown(key, known)
        rows = [row for row in rows if holds(row.get(key))]
    _refuse_unknown(sort, known)
    having = [row for row in rows if row.get(sort) is not None]
    having.sort(key=lambda row: _comparable(row[sort]), reverse=reverse)
    return having + [row for row in rows if row.get(sort) is None]


def describe_run(folder: Where) -> dict[str, Any]:
    """Return all that a run's folder tells, as JSON can hold it; RunError when it is no such.

    Beside what `list_runs` gives, under `summary`: its command, study, history (a dict per epoch),
    environment, and the names and bytes of its files.
    """
    path = Path(folder)
    record = RunFolder(path).read()
    files = {str(file.relative_to(path)): file.stat().st_size for file in _files(path)}
    return {
        "summary": _row(path, record), "command": record.environment.get("command", ""),
        "study": record.study.model_dump(mode="json"),
        "history": plain_json(record.history.to_dict("records")),
        "environment": record.environment, "files": files,
    }  # fmt: skip


def verify_runs(runs: Sequence[Where] = (), out: Where = "results") -> list[dict[str, str]]:
    """Compare what stands in runs' folders with what was written there; nothing is changed.

    Gives `folder`, `state` and `why` (empty unless it is damaged) of each run, of all in `out` if
    none is named. The state is `ok`, `damaged`, `unfinished` (what it goes on with is as it was
    saved) or `no manifest`: it finished under a version that wrote none, and can only be read.
    RunError when one is no run's folder.
    """
    for run in runs:
        size_of_run(run)
    folders = [Path(run) for run in runs] or [file.parent for file in _records(Path(out))]
    return [{"folder": str(folder), **_verified(RunFolder(folder))} for folder in folders]


def _verified(run: RunFolder) -> dict[str, str]:
    from hindi_bn.measures import kept_measures

    try:
        state: str = run.verify()
        kept_measures(run)
        read_failure(run.path)
    except HindiBnError as error:
        return {"state": "damaged", "why": f"{error.what} {error.why}".strip()}
    return {"state": state, "why": ""}


def size_of_run(folder: Where) -> int:
    """Return the bytes of a run's files; RunError when the folder is no run's."""
    if not RunFolder(Path(folder)).exists:
        raise RunError(
            f"{folder} is not a run's folder.",
            "It holds neither run.yaml nor history.csv.",
            "`hindi-bn runs` lists the folders of runs",
        )
    return sum(file.stat().st_size for file in _files(Path(folder)))


def remove_runs(folders: Sequence[Where]) -> None:
    """Delete runs' folders; RunError, before any is deleted, for one that is none or is in use."""
    for folder in folders:
        size_of_run(folder)
    with contextlib.ExitStack() as locks:
        runs = [RunFolder(Path(folder)) for folder in dict.fromkeys(folders)]
        for run in runs:
            locks.enter_context(run.locked())
        for run in runs:
            run.clear()
    for run in runs:
        run.path.with_name(f".{run.path.name}.lock").unlink(missing_ok=True)


def _records(out: Path) -> Iterable[Path]:
    found = sorted(out.rglob("run.yaml"))
    return (file for file in found if not any(p[0] == "." for p in file.relative_to(out).parts))


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def _row(path: Path, record: Record | None = None) -> dict[str, Any]:
    """Return a run as a flat row, read unless it is given; if it cannot be, the row says why."""
    named = {"folder": str(path), "study": path.parent.name, "run": path.name}
    try:
        record = record or RunFolder(path).read()
        return named | {"study": record.study.name, "status": _status(path)} | _facts(record)
    except HindiBnError as error:
        return named | {"status": "damaged", "why": f"{error.what} {error.why}".strip()}


def _facts(record: Record) -> dict[str, Any]:
    history, environment = record.history, record.environment
    last = {} if history.empty else history.iloc[-1].drop("epoch").to_dict()
    best = None if history.empty else history["test_accuracy"].max()
    facts: dict[str, Any] = {"epochs": len(history), "epochs_wanted": record.run.epochs}
    facts |= last | {"best_test_accuracy": best, "seed": record.study.seed}
    facts |= {"data": record.study.data, "device": environment.get("device")}
    facts |= {key: environment.get(key) for key in ("numerics", "started")}
    settings = flat_settings(record.run)
    return dict(plain_json(facts | {k: v for k, v in settings.items() if k != "epochs"}))


def _status(path: Path) -> str:
    folder = RunFolder(path)
    if folder.finished:
        return "finished"
    if (failed := read_failure(path)) is not None:
        return "diverged" if failed[0].diverged else "failed"
    if path.with_name(f".{path.name}.lock").exists():
        try:
            with folder.locked():
                pass
        except RunError:
            return "training"
    return "unfinished"


def _condition(text: str) -> tuple[str, Callable[[Any], bool]]:
    """Return a condition's key, and what tells whether a value of it meets the condition."""
    found = _CONDITION.match(text)
    number = _number(found[3]) if found else None
    if found is None or (found[2] in _ORDER and number is None):
        raise StudyError(
            f"Cannot read the condition {text!r}.",
            "It is a key, one of = != < > <= >=, and a value; the value is a number after < and >.",
            "write --where norm=batch, --where 'study=art*' or --where 'lr>0.01'",
        )
    key, sign, wanted = found.groups()
    if sign in _ORDER:
        ordered = _ORDER[sign]
        return key, lambda value: isinstance(value, int | float) and ordered(value, number)

    def equal(value: Any) -> bool:
        if number is not None and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value) == number
        return fnmatchcase(str(value).casefold(), wanted.casefold())

    return key, equal if sign == "=" else lambda value: not equal(value)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _comparable(value: Any) -> tuple[bool, Any]:
    """Return what sorts numbers before text."""
    number = isinstance(value, int | float)
    return (not number, value if number else str(value))


def _refuse_unknown(key: str, known: Sequence[str]) -> None:
    if known and key not in known:
        raise StudyError(
            f"No run has the key {key!r}.",
            f"The keys that they have: {', '.join(known)}.{nearest(key, known)}",
            "choose one of these",
        )
