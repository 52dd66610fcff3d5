"""A system that gives no more: one message, no traceback."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import hindi_bn
from hindi_bn.cli import app

if sys.platform == "win32":
    pytest.skip("no ulimit", allow_module_level=True)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "ulimit -u"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes"), "ulimit -v"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "ulimit -v"),
        (MemoryError(), "ulimit -v"),
        (OSError(errno.EFBIG, "File too large"), "ulimit -f"),
        (OSError(errno.EIO, "Input/output error"), "another disk"),
    ],
)
def test_what_ran_out_is_told(error: Exception, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(hindi_bn, "diagnose", fail)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert said in result.stderr.partition("Next: ")[2]
    assert CliRunner().invoke(app, ["--debug", "doctor"]).exception is error


def test_another_error_is_not_taken_for_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(hindi_bn, "diagnose", fail)
    assert isinstance(CliRunner().invoke(app, ["doctor"]).exception, RuntimeError)


@pytest.mark.slow
def test_too_little_memory_gives_one_message(tmp_path: Path) -> None:
    """The dynamic loader has not even room for torch."""
    given = ["train", "--bn", "--data-dir", str(tmp_path), "--out", str(tmp_path), "--epochs", "1"]
    done = subprocess.run(
        ["bash", "-c", 'ulimit -v 1500000; exec "$@"', "-", sys.executable, "-c",
         "from hindi_bn.cli import main; main()", *given],
        capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("Error: There is not enough memory.")
    assert "ulimit -v" in done.stderr
    assert "Traceback" not in done.stderr
