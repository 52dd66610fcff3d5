"""Studies: load one, change it, choose runs of it."""

import os
from collections.abc import Mapping
from typing import Any

from hindi_bn.study import Study, files


def load_study(
    config: str | os.PathLike[str] = "article",
    changes: Mapping[str, Any] | None = None,
    **more: Any,
) -> Study:
    """Load a study by name or file, with some of its keys changed.

    A key of a run (`lr`, `norm.eps`) changes every run, `runs.NAME.KEY` one. StudyError for an
    unknown key or a wrong value, with the nearest valid name.

    Examples:
        >>> study = load_study("article", {"runs.bn.lr": 0.01}, epochs=5)
        >>> [(run.name, run.norm.name, run.epochs, run.lr) for run in study.runs]
        [('no-bn', 'none', 5, 0.001), ('bn', 'batch', 5, 0.01)]
    """
    return files.load_study(os.fspath(config), dict(changes or {}) | more)


def choose_runs(
    config: str | os.PathLike[str], norm: str, changes: Mapping[str, Any] | None = None, **more: Any
) -> tuple[Study, list[str]]:
    """Load a study and choose its runs with one normalisation layer; return it and their names.

    Where it has none, the run with BN (or else the last) gets this layer and its name; it
    keeps its place in the random stream. Changes of keys of a run hold for the chosen runs alone.

    Examples:
        >>> study, names = choose_runs("article", "layer", epochs=1)
        >>> names, [run.epochs for run in study.runs]
        (['layer'], [30, 1])
    """
    config, wanted = os.fspath(config), dict(changes or {}) | more
    plain, name = files.load_study(config), norm.rpartition(":")[2]
    chosen = plain.with_norm(norm)
    if not chosen:
        replaced = (plain.with_norm("batch") or plain.runs)[-1]
        chosen, place = (replaced,), plain.position(replaced.name)
        others = [each for each in replaced.recordings if each.kind != "pair"]  # of its own layers
        recordings = [each.model_dump(mode="json") for each in others]
        settings = {"norm": norm, "name": name, "recordings": recordings}
        wanted = {f"runs.{place}.{key}": value for key, value in settings.items()} | wanted
    study = files.load_study(config, wanted, only=[*(run.name for run in chosen), name])
    return study, [study.runs[plain.position(run.name)].name for run in chosen]
