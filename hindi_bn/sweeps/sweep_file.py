"""What a sweep is: a study, a grid of settings and seeds, read from YAML or built in Python."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator

from hindi_bn.errors import StudyError
from hindi_bn.registry import nearest
from hindi_bn.study.files import configs_folder, find_config, read_yaml
from hindi_bn.study.refusal import refusal
from hindi_bn.study.settings import NAME, Settings

RESERVED = ("seed", "stream", "name", "runs")
"""Keys that cannot be varied by a grid: seeds have their own key, and arms are always paired."""

RUN = "run"
"""Column and key of `exclude` that hold the name of the study's run."""


class Sweep(Settings):
    """A study times a grid times seeds; every run restarts the random stream from its seed."""

    name: str = Field(pattern=NAME, description="Name of the sweep and of its folder.")
    description: str = Field("", description="One sentence on what the sweep asks.")
    study: str | dict[str, Any] = Field(
        "article",
        description="Study to vary: its name, a file, or its keys; without runs it is one run.",
    )
    set: dict[str, Any] = Field(
        default_factory=dict, description="Keys and values that hold for every run, as in --set."
    )
    grid: dict[str, list[Any]] = Field(
        default_factory=dict,
        description="Keys to vary, each with the list of its values; several that vary together, "
        "as 'batch_size, lr', with lists of a value each.",
    )
    exclude: list[dict[str, Any]] = Field(
        default_factory=list,
        description="Cells to leave out: mappings from keys of the grid (or run) to a value.",
    )
    seeds: int | tuple[int, ...] = Field(
        5, description="How many seeds, counted up from the study's, or a list of them."
    )

    @field_validator("seeds", mode="before")
    @classmethod
    def _whole(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("must be a number of seeds, or a list of them")  # noqa: TRY004
        return value

    @field_validator("seeds")
    @classmethod
    def _some_seeds(cls, seeds: int | tuple[int, ...]) -> int | tuple[int, ...]:
        if isinstance(seeds, int):
            if seeds < 1:
                raise ValueError("there must be at least one seed")
        elif not seeds or len({*seeds}) < len(seeds) or min(seeds) < 0:
            raise ValueError("the seeds must be one or more different numbers from 0 on")
        return seeds

    @field_validator("grid")
    @classmethod
    def _values_differ(cls, grid: dict[str, list[Any]]) -> dict[str, list[Any]]:
        every = [each for key in grid for each in keys_of(key)]
        for key, values in grid.items():
            keys = keys_of(key)
            for each in keys:
                if each.split(".")[0] in RESERVED:
                    raise ValueError(
                        f"{each!r} cannot be varied by a grid (seeds have a key of theirs)"
                    )
                if every.count(each) > 1:
                    raise ValueError(f"{each!r} is varied twice")
            if len(keys) > 1 and not all(
                isinstance(v, list) and len(v) == len(keys) for v in values
            ):
                raise ValueError(f"{key!r} needs lists of {len(keys)} values, one for each key")
            texts = [json.dumps(value, sort_keys=True, default=str) for value in values]
            if not texts or len({*texts}) < len(texts):
                raise ValueError(f"{key!r} needs one or more different values")
        return grid

    @model_validator(mode="after")
    def _something_excluded(self) -> Sweep:
        varied = varied_by(self.grid)
        valid = [*varied, RUN]
        for entry in self.exclude:
            if not entry:
                raise ValueError("an entry of exclude is empty: it would leave out every cell")
            for key, value in entry.items():
                if key not in valid:
                    raise ValueError(f"exclude has the key {key!r}.{nearest(key, valid)}")
                if key != RUN and not any(same(value, each) for each in varied[key]):
                    raise ValueError(f"exclude has {key}: {value!r}, which the grid has not")
        return self

    def combinations(self) -> Iterator[dict[str, Any]]:
        """Give the cells of the grid: a value of each key that varies."""
        for values in itertools.product(*self.grid.values()):
            yield {
                each: one
                for key, value in zip(self.grid, values, strict=True)
                for each, one in _apart(key, value)
            }

    def changed(
        self, assignments: Mapping[str, Any] | None = None, seeds: int | None = None
    ) -> Sweep:
        """Return the sweep as the command line changes it.

        An assignment to a key of the grid gives it this value, or list of values, instead of its
        own; any other key holds for every run. Raises StudyError when a value cannot be used, or
        is for one of several keys that vary together.
        """
        grid, settings = dict(self.grid), dict(self.set)
        for key, value in (assignments or {}).items():
            if key not in grid and key in varied_by(grid):
                (together,) = (each for each in grid if key in keys_of(each))
                raise StudyError(
                    f"{key!r} cannot be set by itself.",
                    f"The grid varies it together with others: {together!r}.",
                    f"set them together: --set '{together}=[[...], [...]]'",
                )
            if key in grid:
                grid[key] = value if isinstance(value, list) else [value]
            else:
                settings[key] = value
        kept = [entry for entry in self.exclude if _excludes_of(entry, grid)]
        document = self.model_dump() | {"grid": grid, "set": settings, "exclude": kept}
        return sweep_of(document | ({"seeds": seeds} if seeds is not None else {}), "the command")


def same(wanted: Any, value: Any) -> bool:
    """Say whether `wanted` names a value of the grid: equal, its text, or its `name`."""
    if isinstance(value, Mapping) and wanted == value.get("name"):
        return True
    return bool(wanted == value) or str(wanted) == str(value)


def _excludes_of(entry: Mapping[str, Any], grid: Mapping[str, Sequence[Any]]) -> bool:
    varied = varied_by(grid)
    return all(
        key not in varied or any(same(value, each) for each in varied[key])
        for key, value in entry.items()
    )


def keys_of(key: str) -> list[str]:
    """Return the keys that a key of a grid names: one, or several that vary together."""
    return [each.strip() for each in key.split(",")]


def varied_by(grid: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Return each key that a grid varies, those that vary together too, with its values."""
    varied: dict[str, list[Any]] = {}
    for key, values in grid.items():
        for value in values:
            for each, one in _apart(key, value):
                varied.setdefault(each, []).append(one)
    return varied


def _apart(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    keys = keys_of(key)
    return zip(keys, value if len(keys) > 1 else [value], strict=True)


def find_sweep(file: str) -> Path:
    """Return the file behind `file`: a path, or the name of a sweep that comes along."""
    return find_config(file, configs_folder() / "sweeps", "sweep", "sweeps")


def load_sweep(file: str) -> Sweep:
    """Read a sweep's file; a study's path in it may be relative to the file's folder."""
    path = find_sweep(file)
    sweep = sweep_of(read_yaml(path), str(path))
    beside = path.parent / sweep.study if isinstance(sweep.study, str) else None
    if beside is not None and beside.is_file():
        sweep = sweep.model_copy(update={"study": str(beside)})
    return sweep


def sweep_of(raw: Mapping[str, Any], origin: str) -> Sweep:
    """Validate a sweep's mapping; StudyError names the first wrong key and `origin`."""
    try:
        return Sweep.model_validate(dict(raw))
    except ValidationError as error:
        next_step = "correct the sweep; docs/sweeps.md describes its keys"
        raise refusal(error, origin, next_step) from error
