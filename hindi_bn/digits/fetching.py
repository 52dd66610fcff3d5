"""Getting the digits: from one source, or from the first of all that has them."""

import os
from collections.abc import Iterator
from pathlib import Path

from hindi_bn import registry
from hindi_bn.digits.dataset import FOLDER, Digits, Note, data_set
from hindi_bn.digits.images import Advance, silent
from hindi_bn.digits.real import keep, load_real, load_there
from hindi_bn.digits.staging import locked, staged
from hindi_bn.digits.unpacking import ENDINGS, unpack
from hindi_bn.errors import DataError, SourceError

AUTO = "auto"
SOURCES = "digits/sources"
PARTS = ".parts"
"""Folder in the data folder for what arrived of a download that can be gone on with."""

ALREADY_THERE = "Verified digits are in {} already; `hindi-bn download --force` fetches them again."


def no_note(text: str) -> None:
    """Print nothing."""


def fetch(
    source: str,
    data_dir: Path,
    path: Path | None = None,
    *,
    force: bool = False,
    accept_different: bool = False,
    note: Note = no_note,
    advance: Advance = silent,
) -> Digits:
    """Fetch a data set, verify it and put it into `data_dir` in one step.

    `source` is one of the digits (`kaggle`, `uci`; `archive` or `folder` with `path`), `auto` for
    the path given or the first that has them, or another data set. SourceError when no source can
    deliver; DataError when what it delivered is damaged, incomplete or not the article's;
    HindiBnError when `data_dir` cannot be written.
    """
    if source == AUTO:
        if path is None:
            return _first_available(
                data_dir, force=force, accept_different=accept_different, note=note, advance=advance
            )
        source = _kind_of(path)
    if source in other_data_sets():
        return data_set(source).fetch(data_dir, force=force, note=note, advance=advance)
    with locked(data_dir, note):
        there = None if force else _already_there(data_dir, note)
        if there is not None:
            return there
        with staged(data_dir) as work:
            label, delivered = _deliver(source, path, work, data_dir / PARTS, advance)
            (images := work / "digits").mkdir()
            unpack(delivered, images, advance)
            return keep(images, data_dir, label, accept_different, advance)


def other_data_sets() -> tuple[str, ...]:
    """Return the names of the data sets beside the digits, which fetch themselves."""
    return tuple(name for name in registry.names(FOLDER) if name != "digits")


def _already_there(data_dir: Path, note: Note) -> Digits | None:
    if not (data_dir / "digits").is_dir():
        return None
    try:
        digits = load_there(data_dir)
    except DataError as error:
        note(f"The digits in {data_dir} cannot be used and are fetched again: {error.what}")
        return None
    note(ALREADY_THERE.format(data_dir))
    return digits


def _deliver(
    source: str, path: Path | None, work: Path, kept: Path, advance: Advance
) -> tuple[str, Path]:
    """Return the source's label and the archive or folder that it delivered."""
    names = registry.names(SOURCES)
    if source not in names:
        choices = ", ".join((*names, *other_data_sets()))
        raise SourceError(f"There is no source {source!r}.", "", f"choose {choices}")
    module = registry.find(SOURCES, source)
    if module.ORDER is not None:
        (downloads := work / "download").mkdir()
        return source, module.download(downloads, advance, kept)
    if path is None:
        what = f"Source {source!r} needs the path of what to take the digits from."
        raise SourceError(what, "", f"hindi-bn download --source {source} PATH")
    return f"{source} {path.resolve().name}", path


def resolve(
    data_dir: Path, archive: Path | None = None, note: Note = no_note, advance: Advance = silent
) -> Digits:
    """Get the digits from the first of all sources that has them, ending with the stand-in.

    The order: verified digits already in `data_dir`; the archive or folder given, or named by
    HINDI_BN_ARCHIVE; archives that lie in `data_dir`; Kaggle, if there are credentials; UCI; the
    stand-in, with a note that gives the reason why each source failed. HindiBnError when `data_dir`
    cannot be written.
    """
    try:
        return _first_available(data_dir, archive, note=note, advance=advance)
    except SourceError as error:
        title, line = data_set("stand-in").title, "=" * 78
        note(
            f"{line}\nNo source had the real digits, so the STAND-IN is used: {title}."
            f"{error.why}\n"
            "For the real ones: hindi-bn download PATH, with an archive or folder of them.\n"
            f"{line}"
        )
    return fetch("stand-in", data_dir, note=note, advance=advance)


def _first_available(
    data_dir: Path,
    archive: Path | None = None,
    *,
    force: bool = False,
    accept_different: bool = False,
    note: Note,
    advance: Advance,
) -> Digits:
    """Take the real digits that are there, or from the first source; SourceError when none has."""
    failures: dict[str, str] = {}
    if not force:
        try:
            digits = load_real(data_dir, advance)
        except DataError as error:
            if (data_dir / "digits").is_dir():
                failures[f"what is in {data_dir}"] = _in_a_line(error)
        else:
            note(ALREADY_THERE.format(data_dir))
            return digits
    for source, path in candidates(data_dir, archive):
        try:
            digits = fetch(
                source, data_dir, path,
                force=force, accept_different=accept_different, note=note, advance=advance,
            )  # fmt: skip
        except DataError as error:
            failures[source if path is None else f"{source} {path}"] = _in_a_line(error)
        else:
            for failed, why in failures.items():
                note(f"Not used: {failed}. {why}")
            return digits
    raise SourceError(
        "No source had the digits.",
        "".join(f"\n  - {source}: {why}" for source, why in failures.items()),
        "hindi-bn download PATH with an archive or folder of them, or the stand-in: "
        "hindi-bn download --source stand-in",
    )


def candidates(data_dir: Path, archive: Path | None = None) -> Iterator[tuple[str, Path | None]]:
    """Yield the sources to try in order, with the path of an archive or folder.

    First what is given or named by HINDI_BN_ARCHIVE, then archives that lie in `data_dir`.
    """
    named = archive or os.environ.get("HINDI_BN_ARCHIVE")
    if named:
        yield _kind_of(Path(named)), Path(named)
    for ending in ENDINGS:
        for path in sorted(data_dir.glob(f"*{ending}")):
            yield "archive", path
    orders = {name: registry.find(SOURCES, name).ORDER for name in registry.names(SOURCES)}
    downloads = {name: order for name, order in orders.items() if order is not None}
    for name in sorted(downloads, key=downloads.__getitem__):
        yield name, None


def _kind_of(path: Path) -> str:
    return "folder" if path.is_dir() else "archive"


def _in_a_line(error: DataError) -> str:
    return f"{error.what} {error.why}".strip()
