"""A run's log, `log.txt` in its folder: a line with the time for whatever happened to the run."""

import contextlib
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from hindi_bn.errors import without_secrets
from hindi_bn.files import one_line
from hindi_bn.records.folder import RunFolder


class RunLog:
    """Adds lines to a run's log; a resumed run goes on in it.

    A log that cannot be written stops no training: it holds nothing that is read again.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._file: Path = folder.path / "log.txt"

    def write(self, text: str, *, told: bool = False) -> None:
        """Add a line; unless the user is `told` it anyway, it is logged for --verbose, too."""
        text, moment = without_secrets(text), datetime.now(UTC).isoformat(timespec="milliseconds")
        with contextlib.suppress(OSError), self._file.open("a", encoding="utf-8") as file:
            file.write(f"{moment} {text}\n")
        if not told:
            logging.getLogger("hindi_bn").debug("%s", text)

    @contextlib.contextmanager
    def ending(self) -> Iterator[None]:
        """Add how the block ended."""
        try:
            yield
        except BaseException as error:
            self.write(f"Ended by {type(error).__name__}: {one_line(error)}", told=True)
            raise
        self.write("Finished.")
