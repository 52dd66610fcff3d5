"""The one expected error: what happened, why, and what to do next; and Ctrl-C during a run.

What it says, and all that is printed or logged beside it, is without passwords and tokens.
"""

import os
import re
from pathlib import Path


def printable(text: str) -> str:
    r"""Write what would steer a terminal as it is written in Python; line breaks stay.

    Examples:
        >>> printable("a\x1b[2Jb")
        'a\\x1b[2Jb'
    """
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text
    )


HIDDEN = "***"

VARIABLES = ("KAGGLE_KEY", "KAGGLE_API_TOKEN", "RAY_AUTH_TOKEN")
"""Variables whose value is a secret, wherever it turns up."""

NAMES = r"(?:pass(?:word|wd)?|pwd|secret|token|api_?key|key|sig|signature|credential)"
PATTERNS = (
    # Up to the last @ before a space: a password may hold any character by mistake.
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s'\"]*@", re.IGNORECASE), r"\1"),
    (re.compile(rf"([?&;][\w.-]*{NAMES}=)[^&;\s'\"]+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"(\b(?:Bearer|Basic)\s+)[\w.~+/-]{6,}=*"), rf"\1{HIDDEN}"),
    (re.compile(rf"(\b\w*_{NAMES}=)[^\s'\"]+", re.IGNORECASE), rf"\1{HIDDEN}"),
)
LONG_ENOUGH = 4  # characters; a shorter value is in too many words


def without_secrets(text: str) -> str:
    """Return a text without passwords and tokens in addresses, and without their variables' values.

    Examples:
        >>> without_secrets("GET https://me:pw@host/a?name=b&token=c")
        'GET https://host/a?name=b&token=***'
    """
    for name in VARIABLES:
        value = os.environ.get(name, "")
        if len(value) >= LONG_ENOUGH:
            text = text.replace(value, HIDDEN)
    for pattern, shown in PATTERNS:
        text = pattern.sub(shown, text)
    return text


class HindiBnError(Exception):
    """An error that a user can act on; the command line prints it without a traceback, exit code 1.

    It has what happened, in one sentence, why, as far as that is known, and what to do now,
    preferably a command to type.
    """

    def __init__(self, what: str, why: str = "", next_step: str = "") -> None:
        self.what, self.why, self.next_step = (
            printable(without_secrets(text)) for text in (what, why, next_step)
        )
        super().__init__(self.what)

    def __str__(self) -> str:
        lines = [self.what]
        if self.why:
            lines.append(f"Why: {self.why}")
        if self.next_step:
            lines.append(f"Next: {self.next_step}")
        return "\n".join(lines)


class StudyError(HindiBnError):
    """A study file, a flag or a setting that cannot be used."""


class DataError(HindiBnError):
    """Digits that are missing, damaged or not what they claim to be."""


class SourceError(DataError):
    """A source of the digits that could not deliver (no network, no credentials, not found …)."""


class RunError(HindiBnError):
    """A run's folder that cannot be created, locked, read, resumed or written."""


class StatisticsError(HindiBnError):
    """Values that the statistic asked for cannot be taken of."""


class EvidenceError(HindiBnError):
    """Evidence that cannot be read or believed, or a run that cannot become evidence."""


class ClaimsError(HindiBnError):
    """Results of claims that cannot be read or put together."""


class DivergedError(HindiBnError):
    """A loss that became infinite or not a number.

    Epoch and step within it, counted from 0, are those where it first was so; where only the test
    loss is, the step is the epoch's last.
    """

    def __init__(self, run: str, epoch: int, step: int) -> None:
        super().__init__(
            f"The loss of run {run!r} is no longer finite (epoch {epoch}, step {step}).",
            "The optimiser diverged; the epochs before it are kept in history.csv.",
            "train again with a lower learning rate, such as --lr 0.001 --overwrite",
        )
        self.run, self.epoch, self.step = run, epoch, step


class RunInterrupted(KeyboardInterrupt):
    """Ctrl-C during a run: every finished epoch is saved, `done` of its `epochs`."""

    def __init__(self, folder: Path, done: int, epochs: int) -> None:
        self.folder, self.done, self.epochs = folder, done, epochs
        super().__init__(self.told("with --resume"))

    def told(self, how: str) -> str:
        """Say what is saved, and how to give the same command so that it goes on from there."""
        if self.done == 0:
            return (
                f"Stopped in the first epoch of {self.folder}: there is nothing to save yet. "
                "The same command begins it again."
            )
        saved = f"{self.done} of {self.epochs} epochs of {self.folder} are saved"
        if self.done == self.epochs:
            saved += ", its weights not yet"
        return f"Stopped: {saved}. Give the same command {how} to go on from there."
