"""The application object: global options, exit codes, and how errors and notes are printed."""

import codecs
import contextvars
import functools
import io
import json
import logging
import re
import shlex
import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hindi_bn import __version__
from hindi_bn.cli.limits import scarce
from hindi_bn.errors import HindiBnError, RunInterrupted, without_secrets
from hindi_bn.files import json_text

INTERRUPTED = 130
_silent = contextvars.ContextVar("silent", default=False)
"""Whether notes are unwanted, in a command that does not declare --quiet by itself."""

ORDER = (
    "reproduce", "download", "data", "train", "runs", "compare", "plot-descent", "predict",
    "explain", "export", "networks", "config", "plot", "page", "landscape", "bench", "sweep",
    "claims", "evidence", "doctor",
)  # fmt: skip
"""Commands in the order of `hindi-bn --help`: the way of a study first."""


def _silence(value: bool) -> None:
    _silent.set(value)


def _say_more(value: bool) -> None:
    logging.getLogger("hindi_bn").setLevel(logging.DEBUG if value else logging.WARNING)


@functools.cache
def _everywhere() -> list[Any]:
    """Return the options that every command has."""
    one = typer.Typer(add_completion=False)

    @one.command()
    def command(
        quiet: Annotated[bool, typer.Option(
            "--quiet", "-q", help="No progress and no notes on stderr.",
            callback=_silence, expose_value=False,
        )] = False,
        verbose: Annotated[bool, typer.Option(
            "--verbose", "-v", help="Tell on stderr what is done, too.",
            callback=_say_more, expose_value=False,
        )] = False,
    ) -> None: ...  # fmt: skip

    return [each for each in typer.main.get_command(one).params if not each.is_eager]


class Group(TyperGroup):
    """Turns an expected error into one message and exit code 1, and Ctrl-C into exit code 130."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for command in self.commands.values():
            if not isinstance(command, TyperGroup):
                declared = {name for parameter in command.params for name in parameter.opts}
                command.params += [one for one in _everywhere() if not declared & {*one.opts}]
            # else help breaks its lines as the source does
            paragraphs = (command.help or "").split("\n\n")
            command.help = "\n\n".join(" ".join(text.split()) for text in paragraphs)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the commands' names in the order of a study's way."""
        names = super().list_commands(ctx)
        return sorted(names, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command; `--debug` lets the traceback through."""
        _silent.set(False)
        try:
            return super().invoke(ctx)
        except typer.Exit:  # a RuntimeError: a group within this one has told its cause
            raise
        except HindiBnError as error:
            if ctx.params.get("debug"):
                raise
            next_step = _with_owners(error.next_step, self._flags(ctx), ctx.find_root().command)
            typer.echo(f"Error: {HindiBnError(error.what, error.why, next_step)}", err=True)
            raise typer.Exit(1) from error
        except RunInterrupted as interrupt:
            resumes = "--resume" in self._flags(ctx)
            how = "with --resume" if resumes else "again, without --overwrite,"
            typer.echo(interrupt.told(how), err=True)
            raise typer.Exit(INTERRUPTED) from interrupt
        except KeyboardInterrupt as interrupt:
            typer.echo(str(interrupt) or "Interrupted.", err=True)
            raise typer.Exit(INTERRUPTED) from interrupt
        except (OSError, MemoryError, RuntimeError, ImportError) as error:
            told = None if ctx.params.get("debug") else scarce(error)
            if told is None:
                raise
            typer.echo(f"Error: {told}", err=True)
            raise typer.Exit(1) from error

    def _flags(self, ctx: Any) -> set[str]:
        """Return the options of the command that was chosen."""
        return _flags_of(self.commands.get(ctx.invoked_subcommand))


def _flags_of(command: Any) -> set[str]:
    return {flag for parameter in getattr(command, "params", ()) for flag in parameter.opts}


def _with_owners(advice: str, own: set[str], root: Any) -> str:
    """Add to advice the commands of options that the one that was given does not have."""
    bare = re.sub(r"`[^`]*`|hindi-bn [^;,)]*", "", advice)  # what is not a whole command
    for flag in dict.fromkeys(re.findall(r"--[a-z][a-z-]*", bare)):
        owner = next(
            (name for name in ("train", *ORDER) if flag in _flags_of(root.commands[name])), None
        )
        if flag not in own and owner is not None:
            advice = advice.replace(flag, f"{flag} (an option of `hindi-bn {owner}`)", 1)
    return advice


app = typer.Typer(
    cls=Group,
    name="hindi-bn",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Reproduce, question and extend the Hindi-digit batch-normalisation study.",
)


def group_of(name: str, text: str, *, bare: bool = False) -> typer.Typer:
    """Add a group of commands, and return it; `bare`: its name alone is a command too."""
    group = typer.Typer(
        cls=Group,
        no_args_is_help=not bare,
        context_settings={"help_option_names": ["-h", "--help"]},
        help=text,
    )
    app.add_typer(group, name=name)
    return group


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"hindi-bn {__version__}")
        raise typer.Exit


@app.callback()
def root(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an expected error.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Reproduce, question and extend the Hindi-digit batch-normalisation study."""


def note(message: str, *, quiet: bool = False) -> None:
    """Print a note for the person at the terminal: on stderr, so that stdout holds data alone."""
    if not quiet and not _silent.get():
        typer.echo(without_secrets(message), err=True)


class _Notes(logging.Handler):
    """Prints what the package logs, such as a key's new name, as notes."""

    def emit(self, record: logging.LogRecord) -> None:
        note(record.getMessage())


logging.getLogger("hindi_bn").addHandler(_Notes())


def print_json(document: Any) -> None:
    """Print one JSON document on stdout, escaped where its encoding lacks a character."""
    text = json_text(document)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(json.loads(text), indent=2) + "\n"
    sys.stdout.write(text)


PLAIN = {
    "²": "^2", "·": "*", "×": "x", "̂": "^", "Σ": "sum", "β": "beta", "γ": "gamma", "ε": "eps",
    "μ": "mu", "σ": "sigma", "–": "-", "“": '"', "”": '"', "…": "...", "←": "<-", "→": "->",
    "∂": "d", "√": "sqrt", "≈": "~", "✓": "ok", "✗": "NOT",
}  # fmt: skip
"""What stands for the characters of our own texts where an encoding lacks them."""


def print_anywhere() -> None:
    """Let stdout and stderr of any encoding take all text: a pipe may be ASCII or cp1252."""
    codecs.register_error("hindi-bn", _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="hindi-bn")


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(PLAIN.get(character, "?") for character in lacking), error.end


def show_traceback(error: Exception) -> None:
    """Print a traceback as Python does, but for passwords and tokens."""
    text = "".join(traceback.format_exception(error))
    sys.stderr.write(without_secrets(text))


def typed_command() -> str:
    """Return the command line as typed, for the record."""
    return without_secrets(shlex.join(["hindi-bn", *sys.argv[1:]]))
