"""Things that are found by name: a folder with a file for each, or `package.module:Name` outside.

The names are those of the files, so that they are known without importing any: a norm, a network, a
recording, a measure, a data set or a plot is added by adding a file.
"""

import difflib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from hindi_bn.errors import StudyError
from hindi_bn.files import sha256_of

PACKAGE = Path(__file__).parent
DIGITS_OF_A_SOURCE = 16
"""Hexadecimal digits of a source's sha256 that stand in the name of a thing from outside."""


@cache
def names(folder: str, *, hyphens: bool = True) -> tuple[str, ...]:
    """Return the names of the things in a folder such as `networks/norms`, in alphabetical order.

    Files whose names begin with `_` are no things; names have hyphens for underscores, or not.
    """
    found = [m.name for m in pkgutil.iter_modules([str(PACKAGE / folder)]) if m.name[0] != "_"]
    return tuple(sorted(name.replace("_", "-") if hyphens else name for name in found))


def summaries(folder: str) -> dict[str, str]:
    """Return the first line of each thing's file by its name, without importing any."""
    files = {name: PACKAGE / folder / f"{name.replace('-', '_')}.py" for name in names(folder)}
    return {
        name: file.read_text(encoding="utf-8").split('"""')[1].partition("\n")[0]
        for name, file in files.items()
    }


def find_known(folder: str, name: str, what: str) -> ModuleType:
    """Import a thing's file as `find`; StudyError, which calls it a `what`, for an unknown name."""
    known = names(folder)
    if name not in known:
        raise StudyError(
            f"There is no {what} {name!r}.",
            f"There are {', '.join(known)}.{nearest(name, known)}",
            "choose one of them",
        )
    return find(folder, name)


def find(folder: str, name: str) -> ModuleType:
    """Import the file of the thing called `name`, which must be one of `names`."""
    return importlib.import_module(f"{_package(folder)}.{name.replace('-', '_')}")


def find_class(folder: str, base: str, name: str) -> Any:
    """Return the class called `name`: the only one that its file defines, or one from outside.

    `base` names the class in the folder's package that it must be a subclass of. From outside it is
    `package.module:Name` with or without `@` and the digest of its source; StudyError when it
    cannot be imported, or is no such class.
    """
    kind = getattr(importlib.import_module(_package(folder)), base)
    if is_outside(name):
        return find_outside(name.partition("@")[0], kind, base.lower())
    module = find(folder, name)
    classes = [thing for thing in vars(module).values() if inspect.isclass(thing)]
    (found,) = (c for c in classes if issubclass(c, kind) and c.__module__ == module.__name__)
    return found


def full_name(thing: type, folder: str, name: str = "") -> str:
    """Return a class's name: that of its file, or with the digest of its source if from outside.

    `name` is what a class from outside was found by; it stays if it has a digest.
    """
    package, _, file = thing.__module__.rpartition(".")
    if package == _package(folder):
        return file.replace("_", "-")
    name = name or f"{thing.__module__}:{thing.__qualname__}"
    return name if "@" in name else f"{name}@{source_digest(thing)[:DIGITS_OF_A_SOURCE]}"


def refuse_changed(thing: type, name: str) -> None:
    """Raise a StudyError for a class from outside whose source is not what its full name says."""
    _, _, recorded = name.partition("@")
    if recorded and not source_digest(thing).startswith(recorded):
        raise StudyError(
            f"{name.partition('@')[0]} is not what it was.",
            f"The sha256 of {inspect.getfile(thing)} began with {recorded}, and now with "
            f"{source_digest(thing)[: len(recorded)]}.",
            "bring the file back, or train anew under the name without @",
        )


def is_outside(name: str) -> bool:
    """Tell whether a name is that of a thing outside this package, `package.module:Name`."""
    return ":" in name


def find_outside(name: str, base: type, what: str) -> Any:
    """Import a subclass of `base` from Python's path or the current folder.

    StudyError, which calls it a `what`, when it is not there or no such class.
    """
    module, _, attribute = name.partition(":")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        thing = getattr(importlib.import_module(module), attribute)
    except Exception as error:
        raise StudyError(
            f"Cannot use the {what} {name!r}.",
            f"{type(error).__name__}: {error}",
            f"name it as package.module:Name; the module must be importable from {Path.cwd()}",
        ) from error
    if not (inspect.isclass(thing) and issubclass(thing, base)):
        raise StudyError(
            f"{name!r} is no {what}.",
            f"It is no subclass of {base.__module__.removesuffix('._base')}.{base.__qualname__}.",
            "CONTRIBUTING.md shows one",
        )
    return thing


@cache  # what runs is what was imported, whatever becomes of the file meanwhile
def source_digest(thing: type) -> str:
    """Return the sha256 of the file that a thing from outside is written in."""
    try:
        return sha256_of(Path(inspect.getfile(thing)))
    except (OSError, TypeError) as error:
        raise StudyError(
            f"{thing.__qualname__} is in no file.",
            f"{error}; a run records the sha256 of the file that its norm and network are in.",
            "write it into a file, and name it as package.module:Name",
        ) from error


def nearest(word: str, valid: Sequence[str]) -> str:
    """Return a sentence that asks whether the nearest valid name was meant; empty if none is."""
    near = difflib.get_close_matches(word, valid, n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


def _package(folder: str) -> str:
    return f"hindi_bn.{folder.replace('/', '.')}"
