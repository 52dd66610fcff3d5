"""The page: a study's networks in one HTML file, to see and touch."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hindi_bn import digits as source
from hindi_bn import environment
from hindi_bn.api.landscape.results import results_of
from hindi_bn.api.runs import RunLike, read_runs
from hindi_bn.digits import Digits
from hindi_bn.errors import HindiBnError
from hindi_bn.evidence.shards import read_evidence
from hindi_bn.files import write_text
from hindi_bn.page import aboard, html
from hindi_bn.page.digits import Kind, chosen, drawn
from hindi_bn.page.ledger import ledger
from hindi_bn.page.rows import repeatable
from hindi_bn.page.surfaces import surfaces
from hindi_bn.records import Record
from hindi_bn.study import Study


def build_page(
    what: Study | Sequence[RunLike],
    to: str | os.PathLike[str] | None = None,
    *,
    digits: Kind = "stand-in",
    train: int = 1000,
    test: int = 500,
    data_dir: str | os.PathLike[str] = "data",
    out: str | os.PathLike[str] = "results",
    command: str = "",
) -> Path:
    """Write the page of two or more runs, or of a study's; return its file.

    It holds the networks, digits to train on and to read, what is in `out` of the claims, and the
    surfaces that have been computed beside the runs. Equal runs give equal bytes.

    Args:
        what: A study, whose runs are in `out`; or runs.
        to: The file; `page.html` beside the runs.
        digits: `stand-in`, drawn digits that anyone may pass on, or `real`: those of the runs.
        train, test: Digits of each kind aboard, multiples of ten.
        data_dir: The runs' data. Without it the page does not say what float16 weights change.
        command: For the page: the command that was typed.

    Raises:
        HindiBnError: A run cannot be read, or is none that the engine can compute; the digits asked
            for are not there, or fewer.
    """
    records = read_runs(_folders(what, Path(out)) if isinstance(what, Study) else what, least=2)
    aboard.refuse(records)
    data = _data(records, Path(data_dir), needed=digits == "real")
    on = drawn(train, test) if digits == "stand-in" or data is None else chosen(data, train, test)
    told, blobs = aboard.runs_of(records)
    document = {
        "title": f"{records[0].study.name}: with and without batch normalisation",
        "made": _made(records[0], command),
        "runs": told,
        "published": aboard.published(records),
        "half": aboard.answers_at_half(records, data) if data else None,
        "digits": on.described | {"hard": aboard.hard(records, on)},
        "claims": ledger(Path(out) / "claims"),
        "surfaces": surfaces(results_of(records, None), records),
        "rows": repeatable(read_evidence(Path(out) / "evidence").rows),
    }
    file = Path(to) if to else records[0].folder.parent / "page.html"
    write_text(file, html.join(document, blobs | {"digits": on.packed}))
    return file


def _folders(study: Study, out: Path) -> list[Path]:
    """Return the folders of a study's runs: those on the stand-in where there are no others."""
    stand_in = study.model_copy(update={"data": "stand-in"})
    own, other = ([each.folder(out) / run.name for run in study.runs] for each in (study, stand_in))
    # A folder with nothing but a committed comparison has no runs.
    return other if other[0].is_dir() and not own[0].is_dir() else own


def _data(records: Sequence[Record], data_dir: Path, *, needed: bool) -> Digits | None:
    """Load the runs' data; None where it is not there and not needed."""
    try:
        data = source.load(data_dir, records[0].study.data)
        for record in records:
            record.check_data(data)
    except HindiBnError:
        if needed:
            raise
        return None
    return data


def _made(record: Record, command: str) -> dict[str, Any]:
    """Say how the runs and the page were made."""
    names = ("commit", "dirty", "versions", "system", "device", "device_name", "threads", "command")
    of_run = {name: record.environment.get(name) for name in names}
    return {
        **of_run, "page_command": command, "page_version": environment.versions()["hindi-bn"],
        "data": record.study.data, "data_title": record.data_title, "study": record.study.name,
        "numerics": record.environment.get("numerics"), "epochs": len(record.history),
    }  # fmt: skip
