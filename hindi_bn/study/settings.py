"""What all settings share: frozen, validated, unknown keys refused."""

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from hindi_bn.registry import is_outside

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""Pattern of the names of studies, runs and recordings: they become folders and table entries."""


class Settings(BaseModel):
    """Base of all settings: frozen, no unknown keys, finite numbers only."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def keys(cls) -> list[str]:
        """Return the keys that are valid here."""
        return list(cls.model_fields)

    @model_validator(mode="before")
    @classmethod
    def _no_unknown_key(cls, value: Any) -> Any:
        for key in value if isinstance(value, dict) else ():
            if key not in cls.model_fields:
                of = value.get("kind", value.get("name"))
                raise PydanticCustomError(
                    "unknown_key", "unknown key", {"key": str(key), "of": of, "valid": cls.keys()}
                )
        return value


def chosen_by(
    key: str,
    names: Callable[[], Sequence[str]],
    find: Callable[[str], type[Settings]],
    *,
    outside: bool = False,
) -> BeforeValidator:
    """Return a validator of settings that are a name, or a mapping with the name and parameters.

    `key` is that of the name in the mapping; `find` may import the file that holds the settings,
    and with `outside` takes `package.module:Name` too.
    """

    def settings_of(value: Any) -> Any:
        if isinstance(value, Settings):
            return value
        mapping = {key: value} if isinstance(value, str) else value
        if not isinstance(mapping, dict) or not isinstance(mapping.get(key), str):
            raise ValueError(f"It must be a {key}, or a mapping with the key {key!r}")  # noqa: TRY004
        if not (outside and is_outside(mapping[key])):
            known(mapping[key], names())
        return find(mapping[key]).model_validate(mapping)

    return BeforeValidator(settings_of)


def known(name: str, valid: Sequence[str]) -> str:
    """Return a name that is valid; PydanticCustomError for others."""
    if name not in valid:
        context = {"got": name, "valid": list(valid)}
        raise PydanticCustomError("no_such_name", "no such name", context)
    return name
