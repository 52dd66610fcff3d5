"""The JSON Schema of study files, for editors, and a commented file to start from."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml
from pydantic import BaseModel

from hindi_bn import registry
from hindi_bn.study.model import (
    Run,
    Study,
    data_names,
    network_names,
    norm_names,
)

SCHEMA_FILE = "study.schema.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

HEAD = """\
# yaml-language-server: $schema={schema}
# Check it: hindi-bn config check {file}; train it: hindi-bn train --config {file}
# Values are the defaults; a key that is left out has its default.
"""
OF_RUNS = "\n# Keys of a run that stand here hold for every run that does not say otherwise.\n"
WIDTH = 98
_NAMES: Mapping[str, Callable[[], Sequence[str]]] = {
    "network": network_names, "norm": norm_names,
    "recordings": lambda: registry.names("training/recordings"),
}  # fmt: skip
RUNS = [{"name": "no-bn", "norm": "none"}, {"name": "bn", "norm": "batch"}]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a study's file: all keys, with those of every norm and recording.

    Keys of a run may stand at the top, too. Whatever it refuses is refused when the file is read;
    what depends on several keys together is only found then. It knows no old names of keys.
    """
    schema = Study.model_json_schema()
    definitions, top = schema["$defs"], schema["properties"]
    for folder, base, key in (
        ("networks/norms", "Norm", "name"), ("training/recordings", "Recording", "kind"),
    ):  # fmt: skip
        names = registry.names(folder)
        called = {name: registry.find_class(folder, base, name) for name in names}
        chosen = _chosen(key, called, definitions, outside=base == "Norm")
        definitions["NormSettings" if base == "Norm" else "Recording"] = chosen
    run = definitions["Run"]["properties"]
    run["init"]["anyOf"].append({"enum": definitions["Init"]["properties"]["name"]["enum"]})
    run["init"]["anyOf"].append({"const": "normal"})
    run["network"]["anyOf"] = [{"enum": [*network_names()]}, {"pattern": ":"}]
    top["data"]["enum"] = [*data_names()]
    schema["properties"] = top | {key: run[key] for key in run if key not in top}
    return {"$schema": DIALECT} | schema


def _chosen(
    key: str, called: dict[str, type[BaseModel]], definitions: dict[str, Any], *, outside: bool
) -> dict[str, Any]:
    """Return the schema of a name, or of a mapping with it and its parameters; extend the rest."""
    for name, model in called.items():
        found = model.model_json_schema()
        definitions |= found.pop("$defs", {})
        found["properties"][key] = {"const": name}
        found["required"] = [key]
        definitions[f"{key}-{name}"] = found
    anything: list[dict[str, Any]] = [{"enum": [*called]}]
    anything += [{"$ref": f"#/$defs/{key}-{name}"} for name in called]
    if outside:
        named = {"type": "string", "pattern": ":"}
        mapping = {"type": "object", "properties": {key: named}, "required": [key]}
        anything += [named, mapping]
    return {"anyOf": anything}


def template(name: str, schema: str = SCHEMA_FILE) -> str:
    """Return a study's file with every key, its description and its default; two runs."""
    run = Run(name="run")
    study = Study(name=name, runs=(run,))
    keys = [_key(study, key) for key in Study.model_fields if key != "runs"]
    inner = [_key(run, key) for key in Run.model_fields if key != "name"]
    runs = f"\n# {Study.model_fields['runs'].description}\n" + _text({"runs": RUNS})
    head = HEAD.format(schema=schema, file=f"{name}.yaml")
    return head + "".join(keys) + OF_RUNS + "".join(inner) + runs


def _key(settings: Study | Run, key: str) -> str:
    """Return a key's lines; it is commented out where unset means that something else decides."""
    value = getattr(settings, key)
    value = value.model_dump(exclude_none=True) if isinstance(value, BaseModel) else value
    value = value["name"] if isinstance(value, dict) and [*value] == ["name"] else value
    line = f"# {key}:\n" if value is None else _text({key: [] if value == () else value})
    names = f" By name: {', '.join(_NAMES[key]())}." if key in _NAMES else ""
    description = f"{type(settings).model_fields[key].description}{names}"
    about = textwrap.wrap(description, WIDTH, break_on_hyphens=False)
    return "\n" + "".join(f"# {each}\n" for each in about) + line


def _text(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
