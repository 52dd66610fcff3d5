"""From a study file and the command line's overrides to a validated `Study`."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from hindi_bn.errors import StudyError
from hindi_bn.study import Run, Study

_PACKAGE = Path(__file__).parent.parent


def configs_folder() -> Path:
    """Folder of the studies that come with the program: in the wheel, or beside the package."""
    packaged = _PACKAGE / "configs"
    return packaged if packaged.is_dir() else _PACKAGE.parent / "configs"


def study_names() -> list[str]:
    """Names of the studies that come with the program."""
    return sorted(path.stem for path in configs_folder().glob("*.yaml"))


def find_study(config: str) -> Path:
    """Return the file behind `config`: a path, or the name of a study that comes along.

    Raises
    ------
    StudyError
        When there is neither; the message names the nearest study.
    """
    return find_config(config, configs_folder(), "study", "studies")


def find_config(config: str, folder: Path, one: str, many: str) -> Path:
    """Return the file behind `config`: a path, or the name of a file in a folder that comes along.

    Parameters
    ----------
    one, many
        What such files hold, for messages: study, studies.

    Raises
    ------
    StudyError
        When there is neither; the message names the nearest name.
    """
    path, names = Path(config), sorted(path.stem for path in folder.glob("*.yaml"))
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        if path.is_file():
            return path
        raise StudyError(
            f"There is no {one} file {config}.",
            "No such file.",
            f"give a path, or one of the {many} that come along: {', '.join(names)}",
        )
    if config in names:
        return folder / f"{config}.yaml"
    raise StudyError(
        f"There is no {one} {config!r}.",
        f"The {many} that come along are: {', '.join(names)}." + nearest(config, names),
        "give one of these names, or the path of a .yaml file",
    )


def load_study(
    config: str = "article",
    overrides: Mapping[str, Any] | None = None,
    only: Iterable[str] | None = None,
) -> Study:
    """Read a study file, apply `overrides` and validate.

    Parameters
    ----------
    config
        Path of a study file or the name of one that comes along.
    overrides
        Dotted keys and values that beat the file. A key of a run (`lr`, `norm.eps`) holds for every
        run, `runs.NAME.KEY` for one, any other key for the study.
    only
        Names of the runs that plain run keys hold for; the others keep the file's settings.

    Raises
    ------
    StudyError
        For a missing or unreadable file, an unknown key or a wrong value; the message names the
        key, the file and the nearest valid name.
    """
    path = find_study(config)
    return validate(overridden(read_yaml(path), str(path), overrides, only), str(path))


def overridden(
    raw: Mapping[str, Any],
    origin: str,
    overrides: Mapping[str, Any] | None = None,
    only: Iterable[str] | None = None,
) -> dict[str, Any]:
    """Return an expanded copy of a study's mapping with `overrides` applied; see `load_study`.

    Raises
    ------
    StudyError
        When `runs` is not a list of mappings, or a key names a run or an entry that is not there.
    """
    expanded = expand(raw, origin)
    for key, value in copy.deepcopy(dict(overrides or {})).items():
        _override(expanded, key.split("."), value, None if only is None else set(only))
    return expanded


def parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """Turn `--set a.b=value` texts into overrides; values are read as YAML.

    Raises
    ------
    StudyError
        When a text has no `=` or its value is not YAML.
    """
    overrides: dict[str, Any] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise StudyError(
                f"Cannot read --set {text}.", "It has no KEY=VALUE form.", "write --set lr=0.01"
            )
        try:
            overrides[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise StudyError(
                f"Cannot read --set {text}.", f"The value is not YAML: {_one_line(error)}.",
                "quote it, as in --set 'capture.wx=[3, 4, 1, 0]'",
            ) from error  # fmt: skip
    return overrides


def read_yaml(path: Path) -> dict[str, Any]:
    """Read one mapping from a YAML file; StudyError when it cannot be read or is none."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StudyError(
            f"Cannot read {path}.", _one_line(error), "mend the file or name another one"
        ) from error
    if not isinstance(raw, dict):
        raise StudyError(
            f"{path} holds no study.",
            f"A study file is a mapping of keys to values; this one holds a {type(raw).__name__}.",
            f"start from one that comes along, such as {configs_folder() / 'article.yaml'}",
        )
    return raw


def expand(raw: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """Copy the run keys at the top of a study file into each of its runs, where they are missing.

    Raises
    ------
    StudyError
        When `runs` is not a list of mappings.
    """
    expanded = copy.deepcopy(dict(raw))
    defaults = {key: expanded.pop(key) for key in list(expanded) if is_run_key(key)}
    runs = expanded.get("runs", [])
    if not isinstance(runs, list) or not all(isinstance(run, dict) for run in runs):
        raise StudyError(
            f"Key 'runs' in {origin} is wrong.",
            "It must be a list with one mapping a run.",
            "write runs: followed by lines such as '  - {name: bn, norm: batch}'",
        )
    expanded["runs"] = [{**copy.deepcopy(defaults), **run} for run in runs]
    return expanded


def validate(raw: Mapping[str, Any], origin: str) -> Study:
    """Validate an expanded study; StudyError names the first wrong key and its nearest valid name.

    Parameters
    ----------
    raw
        The expanded mapping (see `expand`).
    origin
        Where it came from, for messages: a file's path.
    """
    try:
        return Study.model_validate(raw)
    except ValidationError as error:
        raise _explain(error, origin) from error


def as_yaml(document: Mapping[str, Any]) -> str:
    """Write a mapping as YAML, keys in their order."""
    return yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=100)


def is_run_key(key: str) -> bool:
    """Tell whether a key is one of a run, which may stand at the top of a study's file."""
    return key in Run.model_fields and key not in Study.model_fields


def _override(raw: dict[str, Any], key: list[str], value: Any, only: set[str] | None) -> None:
    runs: list[dict[str, Any]] = raw.get("runs", [])
    if key[0] == "runs" and len(key) > 2:  # noqa: PLR2004
        named = [
            run
            for place, run in enumerate(runs)
            if key[1] in {run.get("name"), str(place)}
        ]  # fmt: skip
        if not named:
            names = [str(run.get("name")) for run in runs]
            raise StudyError(
                f"There is no run {key[1]!r} to set {'.'.join(key)} in.",
                f"The study's runs are: {', '.join(names)}." + nearest(key[1], names),
                "give the name of a run, as in --set runs.bn.lr=0.01",
            )
        _set(named[0], key[2:], value)
    elif is_run_key(key[0]):
        for run in runs:
            if only is None or run.get("name") in only:
                _set(run, key, value)
    else:
        _set(raw, key, value)


def _set(mapping: dict[str, Any], key: list[str], value: Any) -> None:
    first, *rest = key
    if not rest:
        mapping[first] = value
        return
    inner = mapping.get(first)
    if isinstance(inner, list) and len(rest) > 1:
        inner, rest = _entry(inner, first, rest[0]), rest[1:]
    elif not isinstance(inner, dict):
        inner = {} if inner is None else {"name": inner}
        mapping[first] = inner
    _set(inner, rest, value)


def _entry(entries: list[Any], key: str, wanted: str) -> dict[str, Any]:
    """Return the entry of a list of captures that has the name or the place `wanted`.

    An entry that is a kind alone becomes the mapping that it stands for.
    """
    names = [
        str(entry.get("name", entry.get("kind")) if isinstance(entry, dict) else entry)
        for entry in entries
    ]
    for place, name in enumerate(names):
        if wanted in {name, str(place)}:
            entry = entries[place]
            entries[place] = entry if isinstance(entry, dict) else {"kind": entry}
            return cast(dict[str, Any], entries[place])
    raise StudyError(
        f"There is no entry {wanted!r} in {key}.",
        f"Its entries are: {', '.join(names)}." + nearest(wanted, names),
        f"give the name of one of them, or set {key} as a whole",
    )


def _explain(error: ValidationError, origin: str) -> StudyError:
    first = error.errors()[0]
    location, _ = _place(first["loc"])
    key = ".".join(str(part) for part in location) or "the study"
    return StudyError(
        f"Key {key!r} in {origin} is wrong.",
        _reason(first),
        "mend the file or the --set that gave it",
    )


def _reason(detail: ErrorDetails) -> str:
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        *place, name = detail["loc"]
        valid = _valid_keys(place)
        named = f" of {place[-1]!r}" if place and _place(place)[0][-1] != place[-1] else ""
        return f"Unknown key{named}.{nearest(str(name), valid)} Valid here: {', '.join(valid)}."
    if kind == "missing":
        return "The key is missing."
    if kind == "literal_error":
        return _none_of(value, context["expected"].replace(" or ", ", "))
    if kind == "union_tag_invalid":
        return _none_of(context["tag"], context["expected_tags"])
    if kind in {"union_tag_not_found", "model_attributes_type"}:
        key = "kind" if isinstance(detail["loc"][-1], int) else "name"
        return f"It must be a {key}, or a mapping with the key {key!r} (got {value!r})."
    return f"{detail['msg'].removeprefix('Value error, ')} (got {value!r})."


def _none_of(value: Any, expected: str) -> str:
    valid = [part.strip("'") for part in expected.split(", ")]
    return f"{str(value)!r} is none of {', '.join(valid)}.{nearest(str(value), valid)}"


def _valid_keys(location: Sequence[str | int]) -> list[str]:
    _, model = _place(location)
    keys = list(model.model_fields)
    if model is Study:
        keys += [key for key in Run.model_fields if is_run_key(key)]
    return keys


def _place(location: Sequence[str | int]) -> tuple[list[str | int], type[BaseModel]]:
    """Return where an error is as keys of the file, and the model at that place.

    pydantic puts the name of the union's member (`batch`) between the key of a union (`norm`) and
    the member's own keys (`eps`); it is no key of the file.
    """
    model: type[BaseModel] = Study
    members: dict[str | int, type[BaseModel]] = {}
    keys: list[str | int] = []
    for part in location:
        if part in members:
            model, members = members[part], {}
            continue
        keys.append(part)
        if part == "runs":
            model = Run
        elif part in model.model_fields:
            field = model.model_fields[part]
            members = _members(field)
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                model = field.annotation
    return keys, model


def _members(field: FieldInfo) -> dict[str | int, type[BaseModel]]:
    """Return the models of a union, or of a list of unions, by the names that choose them.

    Empty for other fields.
    """
    union, key = field.annotation, field.discriminator
    for entry in get_args(union):
        for note in get_args(entry)[1:]:
            if isinstance(note, FieldInfo):
                union, key = get_args(entry)[0], note.discriminator
    if not isinstance(key, str):
        return {}
    return {
        name: member
        for member in get_args(union)
        for name in get_args(member.model_fields[key].annotation)
    }


def nearest(word: str, valid: Sequence[str]) -> str:
    """Return a sentence that asks whether the nearest valid name was meant; empty if none is."""
    near = difflib.get_close_matches(word, valid, n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
