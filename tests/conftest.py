"""What the tests share: where the real digits are, when they are there."""

from __future__ import annotations

import functools
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
import typer.testing
from filelock import FileLock

ROOT = Path(__file__).parent.parent

# A shell starts its background jobs with Ctrl-C ignored, and they hand that on to all that they
# start: tests that press Ctrl-C would wait for nothing.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)


def find_real_archive() -> Path | None:
    """The archive of the real digits, when this machine has it."""
    named = os.environ.get("HINDI_BN_ARCHIVE")
    beside = ROOT.parent / "shared" / "data" / "hindi-character-recognition.zip"
    found = Path(named) if named else beside
    return found if found.is_file() else None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--render", action="store_true", help="draw the figures of all tests")


@pytest.fixture(scope="session", autouse=True)
def _not_waited_for() -> Iterator[None]:
    """Disks, and the making of the same commands again and again, are not waited for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        patch.setattr(typer.testing, "_get_command", functools.cache(typer.main.get_command))
        yield


@pytest.fixture
def unrendered(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose figures and write their files, but draw nothing: for tests of what is around them.

    With `--render`, as in CI, they are drawn all the same.
    """
    if request.config.getoption("--render"):
        return
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    monkeypatch.setattr(ConstrainedLayoutEngine, "execute", lambda self, figure: None)
    monkeypatch.setattr(Figure, "savefig", lambda self, file, **_: Path(file).write_text("figure"))


@pytest.fixture(scope="session")
def real_archive() -> Path:
    """Path of the archive of the real digits; the test is skipped where there is none."""
    found = find_real_archive()
    if found is None:
        pytest.skip("the real digits are not on this machine")
    return found


@pytest.fixture(scope="session")
def real_data_dir(
    real_archive: Path, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Path:
    """Data folder with the real digits, unpacked once for all test processes."""
    from hindi_bn.digits import fetch

    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / "real-data"
    with FileLock(f"{shared}.lock"):
        if not (shared / "digits").exists():
            fetch("archive", shared, path=real_archive)
    return shared
