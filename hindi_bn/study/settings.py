"""What all settings share: frozen, validated, unknown keys refused."""

from collections.abc import Callable, Sequence
from typing import Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from hindi_bn.registry import is_outside

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
MOST = 100_000  # images of a batch
RESERVED = {"comparison", "landscape"}
"""Folders beside those of a study's runs."""
DEVICES = {"con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10))}
"""What Windows has for devices, whatever stands after a point."""


def folder_name(name: str) -> str:
    """Refuse a name that no folder can have on some system; ValueError says why."""
    if name.partition(".")[0].lower() in DEVICES:
        raise ValueError(f"{name!r} is a device on Windows, where no folder can be called so")
    if name.endswith("."):
        raise ValueError(f"{name!r} ends with a point, which Windows drops")
    return name


def run_name(name: str) -> str:
    """Refuse a name that another folder of a study has; ValueError says why."""
    if name.lower() in RESERVED:
        raise ValueError(f"{name!r} is the folder of a study's tables and figures")
    return folder_name(name)


"""Pattern of the names of studies, runs and recordings: they become folders and table entries."""


class Settings(BaseModel):
    """Base of all settings: frozen, no unknown keys, finite numbers only."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def keys(cls) -> list[str]:
        """Return the keys that are valid here."""
        return list(cls.model_fields)

    @model_validator(mode="wrap")
    @classmethod
    def _unknown_keys_named(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Say of every unknown key which ones are valid, beside what else is wrong."""
        try:
            return handler(value)
        except ValidationError as error:
            of = value.get("kind", value.get("name")) if isinstance(value, dict) else None
            lines = [_line(each, of, cls.keys()) for each in error.errors(include_url=False)]
            raise ValidationError.from_exception_data(cls.__name__, lines) from None


def _line(detail: ErrorDetails, of: Any, valid: list[str]) -> InitErrorDetails:
    kind, words, context = detail["type"], detail["msg"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        kind, context = "unknown_key", {"key": str(detail["loc"][0]), "of": of, "valid": valid}
    named = PydanticCustomError(kind, words, context)
    return InitErrorDetails(type=named, loc=detail["loc"], input=detail["input"])


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
