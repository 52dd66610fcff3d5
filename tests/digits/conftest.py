"""What tests of the digits share: the small digits in the article's place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from small_digits import checksums_of, small_files, small_pixels, write_zip

from hindi_bn.digits import checksums, fetch


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small digits are the article's, and no source is configured."""
    for name in list(os.environ):
        if name.startswith(("KAGGLE_", "HINDI_BN_")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(checksums, "ARTICLE", checksums_of(small_pixels()))


@pytest.fixture
def data_dir(small: None, tmp_path: Path) -> Path:
    """A data folder with the small digits, fetched from a zip."""
    source = write_zip(tmp_path / "small.zip", small_files())
    fetch("archive", tmp_path / "data", source)
    return tmp_path / "data"


@pytest.fixture
def no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home without credentials, no archive configured, no proxies, and the small digits."""
    for name in list(os.environ):
        if name.startswith(("KAGGLE_", "HINDI_BN_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / "home").mkdir()
    monkeypatch.setattr(checksums, "ARTICLE", checksums_of(small_pixels()))


@pytest.fixture
def packed(tmp_path: Path) -> bytes:
    """The small digits, zipped."""
    return write_zip(tmp_path / "small.zip", small_files()).read_bytes()
