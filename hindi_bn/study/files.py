"""From a study file and the command line's overrides to a validated `Study`."""

import contextlib
import copy
import functools
import logging
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import ValidationError

from hindi_bn.errors import StudyError
from hindi_bn.files import one_line
from hindi_bn.registry import nearest
from hindi_bn.study import Run, Study
from hindi_bn.study.old_names import (
    PAIR,
    from_record,
    new_key,
    new_study,
    new_value,
    pair_aside,
    pair_recorded,
    with_new_names,
)
from hindi_bn.study.refusal import Typed, refusal, words_of

SHAPING = ("network", "norm", "norm_layers", "options", "placement", "halved", "transformer")
"""Keys of a run that decide which layers and weights its network has."""

DEEPEST = 20  # parts of a key
_PACKAGE = Path(__file__).parent.parent


def configs_folder() -> Path:
    """Folder of the studies that come with the program: in the wheel, or beside the package."""
    packaged = _PACKAGE / "configs"
    return packaged if packaged.is_dir() else _PACKAGE.parent / "configs"


def study_names() -> list[str]:
    """Names of the studies that come with the program."""
    return sorted(path.stem for path in configs_folder().glob("*.yaml"))


def find_study(config: str) -> Path:
    """Return the file behind `config`: a path, or the name of a study that comes along."""
    return find_config(new_study(config), configs_folder(), "study", "studies")


def find_config(config: str, folder: Path, one: str, many: str) -> Path:
    """Return the file of a path or a name; `one` and `many` say what such files hold."""
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
    """Read a study file, apply `overrides` and validate; StudyError names what is wrong, and where.

    Args:
        config: Path of a study file or the name of one that comes along.
        overrides: Dotted keys and values that beat the file. A key of a run (`lr`, `norm.eps`)
            holds for every run, `runs.NAME.KEY` for one, any other key for the study.
        only: Names of the runs that plain run keys hold for; the others keep the file's settings.
    """
    path, changes = find_study(config), overrides or {}
    raw = read_yaml(path)
    study = validate(overridden(raw, str(path), changes, only), str(path), changes)
    return fitting(study, expand(with_new_names(raw), str(path))["runs"])


def fitting(study: Study, own: Sequence[Mapping[str, Any]]) -> Study:
    """Leave recordings away that were meant for the networks that a file's runs had before.

    A run whose network was changed keeps those of its file's recordings that its network has the
    weights for, and all that came with the change. `own` are the runs as they stand in the file.
    """
    runs = [*study.runs]
    for place, (run, before) in enumerate(zip(study.runs, own, strict=False)):
        with contextlib.suppress(ValidationError):  # a wrong value of the file was set right
            begun = Run.model_validate(before)
            if all(getattr(run, key) == getattr(begun, key) for key in SHAPING):
                continue
            meant = [each for each in run.recordings if each in begun.recordings]
            left = [each for each in meant if not each.fits(run, study.image_size)]
            for recording in left:
                _say(
                    f"Run {run.name} does not record {recording.name!r}, which reads weights that "
                    "its changed network does not have."
                )
            kept = tuple(each for each in run.recordings if each not in left)
            runs[place] = run.model_copy(update={"recordings": kept})
    return study.model_copy(update={"runs": tuple(runs)})


@functools.cache  # once, however many cells of a sweep it is so in
def _say(text: str) -> None:
    logging.getLogger("hindi_bn").warning(text)


def overridden(
    raw: Mapping[str, Any],
    origin: str,
    overrides: Mapping[str, Any] | None = None,
    only: Iterable[str] | None = None,
) -> dict[str, Any]:
    """Return an expanded copy of a mapping with `overrides` applied; see `load_study`."""
    expanded = expand(with_new_names(raw, note=True), origin)
    override(expanded, overrides or {}, only)
    return expanded


def override(
    expanded: dict[str, Any], overrides: Mapping[str, Any], only: Iterable[str] | None = None
) -> None:
    """Apply `overrides` to an expanded mapping, those of one run last; see `load_study`."""
    chosen = None if only is None else set(only)
    for written in sorted(overrides, key=lambda key: key.startswith("runs.")):
        value = copy.deepcopy(overrides[written])
        key = new_key(written, note=True).split(".")
        named = new_value(key[-1], value, note=True)
        if PAIR in (old := written.split("."))[:3:2]:
            expanded["runs"], key = [pair_aside(run) for run in expanded["runs"]], old
        _override(expanded, key, named, chosen)
        expanded["runs"] = [pair_recorded(run) for run in expanded["runs"]]


def parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """Turn `--set a.b=value` texts into overrides; StudyError when a value is not YAML."""
    overrides: dict[str, Any] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise StudyError(
                f"Cannot read --set {text}.", "It has no KEY=VALUE form.", "write --set lr=0.01"
            )
        try:
            overrides[Typed(key.strip(), f"--set {text}")] = _load(value)
        except yaml.YAMLError as error:
            raise StudyError(
                f"Cannot read --set {text}.", f"The value is not YAML: {one_line(error)}.",
                "quote it, as in --set 'recordings.pair.wx=[3, 4, 1, 0]'",
            ) from error  # fmt: skip
    return overrides


def read_yaml(path: Path) -> dict[str, Any]:
    """Read one mapping from a YAML file; StudyError when it cannot be read or is none."""
    try:
        raw = _load(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        what, why = f"Cannot read {path}.", "Its lists and mappings are nested too deep."
        raise StudyError(what, why, "correct the file or name another one") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StudyError(
            f"Cannot read {path}.", one_line(error), "correct the file or name another one"
        ) from error
    if not isinstance(raw, dict):
        held = "nothing" if raw is None else "a list" if isinstance(raw, list) else "a single value"
        raise StudyError(
            f"{path} holds no study.",
            f"A study file is a mapping of keys to values; this one holds {held}.",
            f"start from one that comes along, such as {configs_folder() / 'article.yaml'}",
        )
    return raw


class _Loader(yaml.SafeLoader):
    """Reads YAML as `yaml.safe_load` does, but refuses a key that stands twice in a mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return the mapping; keys that come by << may be overridden."""
        seen = set()
        for key, _ in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) and key.value != "<<" else None
            if name is not None and name in seen:
                what = f"the key {name!r} stands twice"
                raise yaml.constructor.ConstructorError(None, None, what, key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


def _load(text: str) -> Any:
    return copy.deepcopy(_parsed(text))


@functools.lru_cache(maxsize=256)
def _parsed(text: str) -> Any:
    """Parse a text once: a command reads the claims' files again and again."""
    return yaml.load(text, _Loader)  # nosec B506 # a SafeLoader


def expand(raw: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """Copy the run keys at the top of a study file into the runs where they are missing."""
    expanded = copy.deepcopy(dict(raw))
    defaults = {key: expanded.pop(key) for key in list(expanded) if is_run_key(key)}
    runs = expanded.get("runs", [])
    if not isinstance(runs, list) or not all(isinstance(run, dict) for run in runs):
        raise StudyError(
            f"Key 'runs' in {origin} is wrong.",
            "It must be a list with one mapping a run.",
            "write runs: followed by lines such as '  - {name: bn, norm: batch}'",
        )
    expanded["runs"] = [pair_recorded({**copy.deepcopy(defaults), **run}) for run in runs]
    return expanded


def validate(
    raw: Mapping[str, Any], origin: str, overrides: Mapping[str, Any] | None = None
) -> Study:
    """Validate an expanded study from the file `origin`; StudyError names all wrong keys.

    `overrides` are the keys and values that did not come from the file.
    """
    try:
        return Study.model_validate(from_record(raw))
    except ValidationError as error:
        typed = {new_key(key): words_of(key, value) for key, value in (overrides or {}).items()}
        runs = raw.get("runs", ())
        raise refusal(error, origin, "correct the file", runs=runs, typed=typed) from error


def as_yaml(document: Mapping[str, Any]) -> str:
    """Write a mapping as YAML, keys in their order."""
    return yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=100)


def is_run_key(key: str) -> bool:
    """Tell whether a key is one of a run, which may stand at the top of a study's file."""
    return (key in Run.model_fields and key not in Study.model_fields) or key == PAIR


def _override(raw: dict[str, Any], key: list[str], value: Any, only: set[str] | None) -> None:
    runs: list[dict[str, Any]] = raw.get("runs", [])
    if key[0] == "runs" and len(key) > 2:  # noqa: PLR2004
        named = [run for i, run in enumerate(runs) if key[1] in {run.get("name"), str(i)}]
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
    if len(key) > DEEPEST:
        raise StudyError(
            f"Key '{'.'.join(key[:3])}…' is nested too deep: it has {len(key):,} parts.",
            f"No key has more than {DEEPEST}.",
            "the keys are in: hindi-bn config schema",
        )
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
    """Return the recording with the name or place `wanted`, a mapping where it was a kind alone."""
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
