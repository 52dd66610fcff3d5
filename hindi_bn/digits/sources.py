"""Sources of the digits: fetch from one, or try them in order. MNIST and Fashion-MNIST, too."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Callable
from pathlib import Path

from hindi_bn.digits import kaggle_source, mnist, uci_source
from hindi_bn.digits.archive import ENDINGS, unpack
from hindi_bn.digits.dataset import (
    CACHE,
    DRAWN_CACHE,
    DRAWN_TITLE,
    TITLES,
    Digits,
    from_pixels,
    load,
    load_there,
    refuse_different,
    write_pixels,
)
from hindi_bn.digits.images import Advance, decode, fingerprint, silent
from hindi_bn.digits.staging import install, locked, staged
from hindi_bn.errors import DataError, SourceError

Note = Callable[[str], None]
SOURCES = ("kaggle", "uci", "archive", "folder", "drawn", *TITLES)
ALREADY_THERE = "Verified digits are in {} already; `hindi-bn download --force` fetches them again."


def no_note(text: str) -> None:
    """Say nothing."""


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
    """Fetch the digits from one source, verify them and put them into `data_dir` in one step.

    Parameters
    ----------
    source
        `kaggle`, `uci`, `archive` or `folder` (with `path`), or `drawn`; or another data set:
        `mnist`, `fashion-mnist`.
    data_dir
        The data folder.
    path
        The archive or folder.
    force
        Fetch even though verified digits are there.
    accept_different
        Keep digits whose pixels are not the article's; everything made from them says so.
    note
        Told in words what happens.
    advance
        Told the progress in bytes or images.

    Raises
    ------
    SourceError
        When the source cannot deliver.
    DataError
        When what it delivered is damaged, incomplete or not the article's.
    HindiBnError
        When `data_dir` cannot be written.
    """
    if source == "drawn":
        return _drawn(data_dir, note)
    if source in TITLES:
        return mnist.fetch(source, data_dir, force=force, note=note, advance=advance)
    with locked(data_dir, note):
        there = None if force else _already_there(data_dir, note)
        if there is not None:
            return there
        with staged(data_dir) as work:
            label, delivered = _deliver(source, path, work, advance)
            images = work / "digits"
            images.mkdir()
            unpack(delivered, images, advance)
            return _keep(images, data_dir, label, accept_different, advance)


def _keep(
    images: Path, data_dir: Path, label: str, accept_different: bool, advance: Advance
) -> Digits:
    """Verify unpacked images, then move them into place and cache their pixels."""
    pixels = decode(images, advance)
    digits = from_pixels("digits", label, pixels)
    if not accept_different:
        refuse_different(digits, None)
    facts = {
        "source": label,
        "fetched": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "accepted": dict(digits.digests),
    }
    (images / "source.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    install(images, data_dir / "digits")
    state = fingerprint(data_dir / "digits")
    write_pixels(data_dir / CACHE, pixels, {"fingerprint": state})
    return digits


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


def _deliver(source: str, path: Path | None, work: Path, advance: Advance) -> tuple[str, Path]:
    """Return the source's label and the archive or folder that it delivered."""
    if source not in SOURCES:
        raise SourceError(f"There is no source {source!r}.", "", f"choose {', '.join(SOURCES)}")
    if source in ("kaggle", "uci"):
        downloads = work / "download"
        downloads.mkdir()
        module = kaggle_source if source == "kaggle" else uci_source
        return source, module.download(downloads, advance)
    if path is None:
        raise SourceError(
            f"Source {source!r} needs the path of what to take the digits from.",
            "",
            f"hindi-bn download --source {source} PATH",
        )
    return f"{source} {path.resolve().name}", path


def resolve(
    data_dir: Path, archive: Path | None = None, note: Note = no_note, advance: Advance = silent
) -> Digits:
    """Get digits from the first of all sources that has them, ending with the drawn stand-in.

    The order: verified digits already in `data_dir`; the archive or folder given, or named by
    HINDI_BN_ARCHIVE; archives that lie in `data_dir`; Kaggle, if there are credentials; UCI; the
    stand-in.

    Parameters
    ----------
    data_dir
        The data folder.
    archive
        An archive or folder; None for the one that HINDI_BN_ARCHIVE names, if any.
    note
        Told what happens; for the stand-in a banner with the reason each other source failed.
    advance
        Told the progress.

    Raises
    ------
    HindiBnError
        When `data_dir` cannot be written.
    """
    digits, failures = first_available(data_dir, archive, note=note, advance=advance)
    if digits is not None:
        return digits
    note(banner(failures))
    return _drawn(data_dir, note)


def first_available(
    data_dir: Path,
    archive: Path | None = None,
    *,
    force: bool = False,
    accept_different: bool = False,
    note: Note = no_note,
    advance: Advance = silent,
) -> tuple[Digits | None, dict[str, str]]:
    """Try the sources of the real digits in order; see `resolve` and `fetch`.

    Returns
    -------
    The digits, or None, and why each source before them failed.
    """
    failures: dict[str, str] = {}
    if not force:
        try:
            digits = load(data_dir, advance=advance)
        except DataError as error:
            if (data_dir / "digits").is_dir():
                failures[f"what is in {data_dir}"] = told(error)
        else:
            note(ALREADY_THERE.format(data_dir))
            return digits, failures
    for source, path in candidates(data_dir, archive):
        label = source if path is None else f"{source} {path}"
        try:
            digits = fetch(
                source, data_dir, path,
                force=force, accept_different=accept_different, note=note, advance=advance,
            )  # fmt: skip
        except DataError as error:
            failures[label] = told(error)
        else:
            for failed, why in failures.items():
                note(f"Not used: {failed}. {why}")
            return digits, failures
    return None, failures


def candidates(data_dir: Path, archive: Path | None = None) -> list[tuple[str, Path | None]]:
    """Return the sources to try in order, with the path of an archive or folder.

    First what is given or named by HINDI_BN_ARCHIVE, then archives that lie in `data_dir`.
    """
    named = archive or os.environ.get("HINDI_BN_ARCHIVE")
    local: list[tuple[str, Path | None]] = []
    if named:
        path = Path(named)
        local.append(("folder" if path.is_dir() else "archive", path))
    found = [path for ending in ENDINGS for path in sorted(data_dir.glob(f"*{ending}"))]
    local += [("archive", path) for path in found]
    return [*local, ("kaggle", None), ("uci", None)]


def _drawn(data_dir: Path, note: Note) -> Digits:
    if not (data_dir / DRAWN_CACHE).exists():
        note("Drawing the stand-in, once; this may take half a minute.")
    return load(data_dir, "drawn")


def told(error: DataError) -> str:
    """Return an error's first two parts in one line."""
    return f"{error.what} {error.why}".strip()


def listed(failures: dict[str, str]) -> str:
    """Return the sources that failed and why, a line each."""
    return "\n".join(f"  - {source}: {why}" for source, why in failures.items())


def banner(failures: dict[str, str]) -> str:
    """Return the words that go before the use of the stand-in."""
    line = "=" * 78
    return (
        f"{line}\nNo source had the real digits, so the DRAWN STAND-IN is used: "
        f"{DRAWN_TITLE}.\n{listed(failures)}\n"
        "For the real ones: hindi-bn download PATH, with an archive or folder of them.\n"
        f"{line}"
    )
