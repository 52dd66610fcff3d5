"""Things that are found by name: a folder with a file for each, or `package.module:Name` outside.

The names are those of the files, so that they are known without importing any: a norm, a network, a
recording, a measure, a data set or a plot is added by adding a file.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import pkgutil
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from hindi_bn.errors import StudyError

PACKAGE = Path(__file__).parent


@cache
def names(folder: str, *, hyphens: bool = True) -> tuple[str, ...]:
    """Return the names of the things in a folder of this package, in alphabetical order.

    Parameters
    ----------
    folder
        Such as `networks/norms`. Files whose names begin with `_` are no things.
    hyphens
        Whether names have hyphens where their files have underscores.
    """
    found = [m.name for m in pkgutil.iter_modules([str(PACKAGE / folder)]) if m.name[0] != "_"]
    return tuple(sorted(name.replace("_", "-") if hyphens else name for name in found))


def find(folder: str, name: str) -> ModuleType:
    """Import the file of the thing called `name`, which must be one of `names`."""
    path = folder.replace("/", ".")
    return importlib.import_module(f"hindi_bn.{path}.{name.replace('-', '_')}")


def is_outside(name: str) -> bool:
    """Tell whether a name is that of a thing outside this package, `package.module:Name`."""
    return ":" in name


def find_outside(name: str, base: type, what: str) -> Any:
    """Import a thing from outside, from Python's path or the current folder.

    Parameters
    ----------
    base
        The class that it must be a subclass of.
    what
        What it is to be, for messages: norm, network.

    Raises
    ------
    StudyError
        When it cannot be imported, is not there, or is not what it is to be.
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
            f"It is no subclass of {base.__module__}.{base.__qualname__}.",
            "CONTRIBUTING.md shows one",
        )
    return thing


def source_digest(thing: type) -> str:
    """Return the sha256 of the file that a thing from outside is written in."""
    return hashlib.sha256(Path(inspect.getfile(thing)).read_bytes()).hexdigest()
