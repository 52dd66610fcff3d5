"""A run's settings as flat keys, as in --set."""

from typing import Any

from hindi_bn.study.model import Run


def flat_settings(run: Run) -> dict[str, Any]:
    """Return a run's keys and values: `norm` by its name, its parameters as `norm.eps` and so on.

    Its name is left out, and of its recordings only the kinds stand there; a value is a number, a
    text or None.
    """
    kinds = ", ".join(each.kind for each in run.recordings)
    settings = run.model_dump(mode="json", exclude={"name", "recordings"})
    return _flat(settings, "") | {"recordings": kinds or None}


def _flat(settings: dict[str, Any], before: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            named = {before + key: value["name"]} if "name" in value else {}
            rest = {inner: each for inner, each in value.items() if inner != "name"}
            flat |= named | _flat(rest, f"{before}{key}.")
        else:
            flat[before + key] = value
    return flat
