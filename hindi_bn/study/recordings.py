"""What a run can record: the `recordings` of a study file (see docs/recordings.md).

Each kind is a file in `hindi_bn/training/recordings`, which is imported when a study names it.
"""

from typing import Annotated, ClassVar

from pydantic import Field, SerializeAsAny

from hindi_bn import registry
from hindi_bn.study.settings import NAME, Settings, chosen_by

FOLDER = "training/recordings"


class Recording(Settings):
    """Base of what a run can record."""

    kind: str
    name: str = Field(pattern=NAME, description="Name in captures.csv.")

    columns: ClassVar[tuple[str, ...]] = ()
    """Columns of history.csv that hold it; if there are none it stands in captures.csv."""


def kinds() -> tuple[str, ...]:
    """Return the kinds of recordings, in alphabetical order."""
    return registry.names(FOLDER)


AnyRecording = Annotated[
    SerializeAsAny[Recording],
    chosen_by("kind", kinds, lambda kind: registry.find_class(FOLDER, "Recording", kind)),
]
"""A recording by its kind, or as a mapping of kind and parameters."""
