"""From a sweep to its cells: one run each, with the arm's name, the varied values and the seed."""

import contextlib
import copy
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from hindi_bn.errors import StudyError
from hindi_bn.evidence.keys import significant
from hindi_bn.study import Run, Study
from hindi_bn.study.files import (
    expand,
    find_study,
    fitting,
    is_run_key,
    overridden,
    override,
    read_yaml,
    validate,
)
from hindi_bn.study.old_names import new_key, with_new_names
from hindi_bn.study.refusal import BY_COMMAND
from hindi_bn.sweeps.sweep_file import RUN, Sweep, same, varied_by

Shown = str | int | float

COLUMNS = {"epochs": "planned_epochs"}
"""Columns of varied keys whose own name has another meaning in the tables."""


@dataclass(frozen=True)
class Cell:
    """One run of a sweep: its study has this run alone, and `stream: paired`.

    The arm is what it shares with the runs that differ in the seed alone, such as `norm=batch,
    lr=0.1`; `values` are the varied values by column: the
    same columns, in the grid's order, in all cells. `measures` are those that are wanted of it, for
    which it records what it does; a sweep's cell (None) wants the recordings themselves.
    `claims` are the claims that it is trained for, each with the digest of its rule.
    """

    arm: str
    values: Mapping[str, Shown]
    seed: int
    study: Study
    measures: tuple[str, ...] | None = None
    claims: Mapping[str, str] = field(default_factory=dict)

    @property
    def run(self) -> Run:
        """The run's settings."""
        return self.study.runs[0]


def cells(
    sweep: Sweep, origin: str = "", typed: Mapping[str, Any] | None = None
) -> tuple[Cell, ...]:
    """Return a sweep's cells: runs of the study, times the grid, times the seeds, in this order.

    For messages: `origin` is where the sweep came from, its file; `typed` are the keys and values
    that the command gave it. StudyError when the study cannot
    be read, a key or a value is wrong (the message names the cell, the key, the file and the
    nearest valid name), or nothing is left of the grid.
    """
    origin = origin or f"sweep {sweep.name!r}"
    arms = list(_arms(sweep, origin, typed or {}))
    if not arms:
        raise StudyError(
            f"There is nothing to train in {origin}.", "Every cell of its grid is excluded.",
            "leave something out of exclude",
        )  # fmt: skip
    shown = {key: _shown([values[key] for _, values in arms]) for key in arms[0][1]}
    every = []
    for place, (study, _) in enumerate(arms):
        texts = {key: column[place] for key, column in shown.items()}
        values = {COLUMNS.get(key, key): text for key, text in texts.items()}
        name = _name(study, texts)
        for seed in _seeds(sweep, study):
            every.append(Cell(name, values, seed, study.model_copy(update={"seed": seed})))
    _refuse_twins(every, origin)
    return tuple(every)


def text_of(value: Shown) -> str:
    """Write a value as in an arm's name: numbers in their shortest form."""
    return value if isinstance(value, str) else f"{value:.12g}"


def _arms(
    sweep: Sweep, origin: str, typed: Mapping[str, Any]
) -> Iterator[tuple[Study, dict[str, Any]]]:
    """Give each arm's study and varied values, as validated: models, numbers, texts."""
    base = _Base(sweep, origin, typed)
    for name in base.names:
        for chosen in sweep.combinations():
            if not any(_fits(entry, {RUN: name, **chosen}) for entry in sweep.exclude):
                study = base.changed(name, chosen)
                first = {RUN: name} if len(base.names) > 1 else {}
                yield study, first | {key: _value(study, key) for key in chosen}


class _Base:
    """A sweep's study, expanded once; a cell changes one of its runs."""

    def __init__(self, sweep: Sweep, origin: str, typed: Mapping[str, Any]) -> None:
        self._typed = typed
        raw, self._where = _study(sweep, origin)
        # What is set before the first key of the grid is the same in all cells.
        varied = varied_by(sweep.grid)
        first = itertools.takewhile(lambda item: item[0] not in varied, sweep.set.items())
        same_in_all = dict(first)
        self._later = {key: value for key, value in sweep.set.items() if key not in same_in_all}
        self._expanded = overridden(raw, self._where, same_in_all) | {"stream": "paired"}
        self.names = [str(run.get("name")) for run in self._expanded["runs"]]
        self._own = {run.get("name"): run for run in expand(with_new_names(raw), origin)["runs"]}
        self._validated: dict[str, Study] = {}

    def changed(self, name: str, chosen: dict[str, Any]) -> Study:
        """Return the study with the run `name` alone, as a cell changes both."""
        try:
            study = self._validate(self._override(name, chosen))
            return fitting(study, [self._own[name]] if name in self._own else [])
        except StudyError as error:
            if not chosen or error.next_step == BY_COMMAND:
                raise
            cell = ", ".join(f"{key}: {value}" for key, value in chosen.items())
            raise StudyError(
                error.what, f"{error.why} The cell is {{{cell}}}.",
                "correct the sweep, or leave this cell out with exclude",
            ) from error  # fmt: skip

    def _override(self, name: str, chosen: dict[str, Any]) -> dict[str, Any]:
        def is_its(run: dict[str, Any]) -> bool:
            return str(run.get("name")) == name

        runs = [run for run in self._expanded["runs"] if self._later or is_its(run)]
        mapping = self._expanded | {"runs": copy.deepcopy(runs)}
        override(mapping, self._later | chosen)
        return mapping | {"runs": list(filter(is_its, mapping["runs"]))}

    def _validate(self, mapping: dict[str, Any]) -> Study:
        """Validate the run, and what is beside it once for all runs that share it."""
        beside = repr({key: value for key, value in mapping.items() if key != "runs"})
        if beside in self._validated:
            with contextlib.suppress(ValidationError):  # the whole study's error names the key
                run = Run.model_validate(mapping["runs"][0])
                return self._validated[beside].model_copy(update={"runs": (run,)})
        self._validated[beside] = validate(mapping, self._where, self._typed)
        return self._validated[beside]


def _study(sweep: Sweep, origin: str) -> tuple[dict[str, Any], str]:
    """Return the study's mapping and where it came from, for messages."""
    if isinstance(sweep.study, str):
        path = find_study(sweep.study)
        return read_yaml(path), f"{path} with the changes of {origin}"
    return {"name": sweep.name, "runs": [{"name": "run"}], **sweep.study}, origin


def _fits(entry: Mapping[str, Any], chosen: Mapping[str, Any]) -> bool:
    return all(same(value, chosen[key]) for key, value in entry.items())


def _value(study: Study, key: str) -> Any:
    """Return the validated value of a dotted key of the study's only run, or of the study."""
    first, *rest = new_key(key).split(".")
    value: Any = study.runs[0] if is_run_key(first) else study
    for part in (first, *rest):
        if isinstance(value, tuple):  # an entry of recordings, by its name or place
            named = {str(place): entry for place, entry in enumerate(value)}
            value = (named | {entry.name: entry for entry in value})[part]
        else:
            value = getattr(value, part)
    return value


def _shown(values: Sequence[Any]) -> list[Shown]:
    """Return a column of values: numbers where all are numbers, else texts."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return list(values)
    kinds = {(value.name, str(value)) for value in values if _has_a_name(value)}
    often = Counter(name for name, _ in kinds)
    return [_text(value, often) for value in values]


def _has_a_name(value: Any) -> bool:
    return isinstance(value, BaseModel) and hasattr(value, "name")


def _text(value: Any, often: Mapping[str, int]) -> str:
    """Write a value; a norm or init by its name, with its settings where others share the name."""
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return text_of(value)
    if isinstance(value, tuple):
        return "+".join(_text(each, {}) for each in value) or "none"
    settings = significant(value)
    name = settings.pop("name", "")
    if name and (not settings or often.get(name, 0) <= 1):
        return str(name)
    inner = ", ".join(f"{key}={setting}" for key, setting in settings.items())
    return f"{name}({inner})"


def _name(study: Study, shown: Mapping[str, Shown]) -> str:
    parts = [
        str(value) if key == RUN else f"{key}={text_of(value)}" for key, value in shown.items()
    ]
    return ", ".join(parts) or study.runs[0].name


def _seeds(sweep: Sweep, study: Study) -> tuple[int, ...]:
    if isinstance(sweep.seeds, int):
        return tuple(study.seed + place for place in range(sweep.seeds))
    return sweep.seeds


def _refuse_twins(every: Sequence[Cell], origin: str) -> None:
    for (arm, seed), times in Counter((cell.arm, cell.seed) for cell in every).items():
        if times > 1:
            raise StudyError(
                f"Two cells of {origin} are the same: {arm}, seed {seed}.",
                "Two values of a key of the grid mean the same.",
                "leave one of them out",
            )
