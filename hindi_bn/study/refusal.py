"""What a model refuses, in words about what the user wrote: an option, or a key of a file."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hindi_bn.errors import StudyError
from hindi_bn.registry import nearest

FEW = 8  # keys, which are listed even where one of them is near
BY_COMMAND = "correct the command"
"""The next step where all that is wrong was typed."""
LONGEST = 60  # characters of a refused value that are repeated

WORDS: Mapping[str, str] = {
    "missing": "The key is missing",
    "greater_than_equal": "It must be {ge:g} or greater",
    "greater_than": "It must be greater than {gt:g}",
    "less_than_equal": "It must be {le:g} or less",
    "less_than": "It must be less than {lt:g}",
    "finite_number": "It must be a finite number",
    "float": "It must be a number",
    "int": "It must be a whole number",
    "bool": "It must be true or false",
    "string_pattern_mismatch": "It must begin with a letter or a digit, and hold only letters, "
    "digits, dots, hyphens and underscores",
    "string": "It must be text, in quotes where it could be read as something else",
    "too_short": "It must have {min_length} entry or more",
    "tuple": "It must be a list",
    "list": "It must be a list",
    "dict": "It must be a mapping of keys to values",
    "model": "It must be a mapping of keys to values",
}
"""By the kind of pydantic's error, or the first word of it."""

Place = tuple[str, ...]
"""Where a value is: keys, and the numbers of entries of lists."""


class Typed(str):
    """A key of a study that was typed, with the `words` that messages repeat: --epochs 0."""

    words: str

    def __new__(cls, key: str, words: str) -> "Typed":
        """Return the key with its words."""
        typed = super().__new__(cls, key)
        typed.words = words
        return typed


def words_of(key: str, value: Any) -> str:
    """Return the words that gave a key its value; those of Python where it was not typed."""
    return key.words if isinstance(key, Typed) else f"{key}={_shown(value)}"


def refusal(
    error: ValidationError,
    where: str,
    next_step: str,
    *,
    runs: Sequence[Any] = (),
    typed: Mapping[str, str] | None = None,
) -> StudyError:
    """Return the error that says all that is wrong with settings.

    Args:
        where: What holds the settings: a file.
        runs: The study's runs as they were refused, for their names.
        typed: Dotted keys that did not come from `where`, each with the words that were typed.
    """
    names = [str(run.get("name", "")) if isinstance(run, dict) else "" for run in runs]
    grouped: dict[tuple[str, str, str], list[str]] = {}  # words or "", key, why -> runs
    for place, why in _reasons(error).items():
        key, run = _in_run(place, names)
        words, depth = _typed_at(key, run, names, typed or {})
        inner = f"{'.'.join(key)}: " if words and depth < len(key) else ""
        grouped.setdefault((words, ".".join(key), inner + why), []).append(run)
    said = {}
    for (words, key_, why), within in grouped.items():
        of = f"run {' and '.join(map(repr, within))}" if within[0] and within != names else ""
        said[_subject(words, key_, "" if "runs." in words else of, where, bool(typed))] = why
    by_command = all(words for words, _, _ in grouped)
    next_step = BY_COMMAND if by_command else next_step
    if len(said) > 1:
        lines = [f"\n  {subject}: {why}" for subject, why in said.items()]
        return StudyError(f"{len(said)} settings are wrong.", "".join(lines), next_step)
    ((subject, why),) = said.items()
    verdict = "cannot be used" if by_command else "is wrong"
    return StudyError(f"{subject} {verdict}.", why, next_step)


def _subject(words: str, key: str, of: str, where: str, changed: bool) -> str:
    if words:
        return f"{words} in {of}" if of else words
    if not key:
        return f"{where}, as the command changes it," if changed else where
    return f"Key {key!r} of {of} in {where}" if of else f"Key {key!r} in {where}"


def _reasons(error: ValidationError) -> dict[Place, str]:
    """Return why each place is refused, in whole sentences."""
    found: dict[Place, dict[str, None]] = {}  # reasons, each once
    details = error.errors(include_url=False)
    for detail in details:
        place = tuple(part for part in map(str, detail["loc"]) if not _is_of_a_union(part))
        inner = any(
            each["loc"][: len(detail["loc"])] == detail["loc"]
            for each in details
            if each is not detail
        )
        if not (detail["type"] == "too_short" and inner):  # it counts the entries that are right
            found.setdefault(place, {})[_reason(detail)] = None
    texts = {place: ", or ".join(reasons) for place, reasons in found.items()}
    return {place: text if text.endswith("?") else f"{text}." for place, text in texts.items()}


def _is_of_a_union(part: str) -> bool:
    """Tell whether a part of a place is the name of one of several types that are allowed."""
    return part in {"int", "str"} or "[" in part


def _in_run(place: Place, names: Sequence[str]) -> tuple[Place, str]:
    """Return a place within its run, and the run's name or number; "" where it is in none."""
    if len(place) < 3 or place[0] != "runs":  # noqa: PLR2004
        return place, ""
    return place[2:], names[int(place[1])] or place[1]


def _typed_at(
    at: Place, run: str, names: Sequence[str], typed: Mapping[str, str]
) -> tuple[str, int]:
    """Return the words that gave the value of a key, and how deep they reach; "" for a file's."""
    for key, words in reversed([*typed.items()]):
        parts = key.split(".")
        if run and parts[0] == "runs" and len(parts) > 2:  # noqa: PLR2004
            named, parts = parts[1], parts[2:]
            asked = names[int(named)] if named.isdigit() and int(named) < len(names) else named
            if asked != run and asked in names:
                continue  # another run; one of no such name was given another by the command
        pairs = zip(parts, at, strict=False)
        if at and all(one == other or other.isdigit() for one, other in pairs):
            return words, len(parts)
    return "", 0


def _reason(detail: ErrorDetails) -> str:
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "unknown_key":
        of = f" of {context['of']!r}" if context["of"] and len(detail["loc"]) > 1 else ""
        valid = context["valid"]
        near = nearest(context["key"], valid)
        listed = "" if near and len(valid) > FEW else f" Valid here: {', '.join(valid)}"
        return f"Unknown key{of}.{near}{listed}"
    if kind == "no_such_name":
        return _none_of(context["got"], context["valid"])
    if kind == "literal_error":
        expected = context["expected"].replace(" or ", ", ")
        return _none_of(value, [part.strip("'") for part in expected.split(", ")])
    if kind == "missing":
        return WORDS[kind]
    if kind == "value_error":
        text = str(context["error"])
        text = f"It {text}" if text.startswith("must") else text
    else:
        words = WORDS.get(kind, WORDS.get(kind.partition("_")[0], ""))
        text = words.format(**context) or detail["msg"].replace("Input should", "It must")
    shown = _shown(value)
    return text if len(shown) > LONGEST else f"{text} (it is {shown})"


def _none_of(value: Any, valid: Sequence[str]) -> str:
    near = nearest(str(value), valid)
    return f"{_shown(value)} is none of {', '.join(valid)}" + (f".{near}" if near else "")


def _shown(value: Any) -> str:
    """Write a value as in a file."""
    return repr(value) if isinstance(value, str) else json.dumps(value, default=str)
