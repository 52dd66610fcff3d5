"""From one source, or from the first that has the digits, ending with the stand-in."""

from __future__ import annotations

from pathlib import Path

import pytest
from downloads import at_uci, download
from local_server import serving, status, whole
from small_digits import assert_small, small_files, small_pixels, write_folder

from hindi_bn.digits import fetch, load, resolve
from hindi_bn.digits.sources import kaggle as kaggle_source
from hindi_bn.digits.sources import uci as uci_source
from hindi_bn.errors import SourceError

pytestmark = pytest.mark.usefixtures("no_credentials")


def test_what_is_there_is_not_fetched_again(data_dir: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    assert_small(fetch("archive", data_dir, tmp_path / "none.zip", note=notes.append))
    assert "Verified digits are in" in notes[0]


def test_force_replaces_what_is_there(data_dir: Path, tmp_path: Path) -> None:
    source = write_folder(tmp_path / "other", small_files())
    assert fetch("folder", data_dir, source, force=True).source == "folder other"
    assert load(data_dir).source == "folder other"
    assert sorted(path.name for path in data_dir.iterdir()) == [
        ".lock", "digits", "digits.safetensors",
    ]  # fmt: skip


def test_damaged_digits_are_fetched_again_without_force(data_dir: Path, tmp_path: Path) -> None:
    (data_dir / "digits/Train/digit_1/1.png").write_bytes(b"")
    notes: list[str] = []
    fetch("archive", data_dir, tmp_path / "small.zip", note=notes.append)
    assert "Image Train/digit_1/1.png is damaged" in notes[0]
    assert_small(load(data_dir))


def test_a_source_that_needs_a_path(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="'archive' needs the path") as error:
        fetch("archive", tmp_path)
    assert error.value.next_step == "hindi-bn download --source archive PATH"


def test_a_source_that_nobody_knows(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no source 'attic'"):
        fetch("attic", tmp_path)


def test_resolve_prefers_what_is_there(data_dir: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    assert_small(resolve(data_dir, tmp_path / "none.zip", notes.append))
    assert notes[0].startswith(f"Verified digits are in {data_dir} already")


@pytest.mark.parametrize("by_variable", [True, False])
def test_resolve_takes_an_archive_or_folder(
    by_variable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_folder(tmp_path / "folder", small_files())
    if by_variable:
        monkeypatch.setenv("HINDI_BN_ARCHIVE", str(source))
    assert resolve(tmp_path / "data", None if by_variable else source).source == "folder folder"


def test_resolve_replaces_what_is_damaged_and_says_so(data_dir: Path, tmp_path: Path) -> None:
    (data_dir / "digits/Train/digit_1/1.png").write_bytes(b"")
    notes: list[str] = []
    assert_small(resolve(data_dir, tmp_path / "small.zip", notes.append))
    assert any("Not used: what is in" in note and "is damaged" in note for note in notes)


def test_auto_tries_kaggle_and_then_uci(
    tmp_path: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(whole(packed)) as server:
        at_uci(server, monkeypatch)
        result = download(tmp_path / "data")
    assert result.exit_code == 0, result.stderr
    assert "Not used: kaggle. Kaggle needs an account" in result.stderr
    assert "identical to the article's 50 images (from uci)" in result.stdout


def test_auto_tells_why_every_source_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HINDI_BN_ARCHIVE", str(tmp_path / "gone.zip"))
    with serving(status(503)) as server:
        at_uci(server, monkeypatch)
        result = download(tmp_path / "data")
    assert result.exit_code == 1
    for part in (
        f"- archive {tmp_path}/gone.zip: ", "No such file or directory",
        "- kaggle: Kaggle needs an account", "- uci: ", "503 Server Error",
        "hindi-bn download --source stand-in",
    ):  # fmt: skip
        assert part in result.stderr


def test_resolve_ends_with_the_stand_in_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hindi_bn.digits.stand_in.draw", lambda: tuple(small_pixels(5).values()))
    notes: list[str] = []
    with serving(status(404)) as server:
        at_uci(server, monkeypatch)
        digits = resolve(tmp_path / "data", tmp_path / "none.zip", notes.append)
        assert resolve(tmp_path / "data", None, notes.append).name == "stand-in"
    assert digits.title == "drawn stand-in, not the article's data"
    assert not digits.identical
    banner = notes[0]
    assert "STAND-IN" in banner
    assert f"archive {tmp_path}/none.zip: " in banner
    assert "kaggle: Kaggle needs an account" in banner
    assert "uci: The UCI repository did not deliver the digits." in banner
    assert notes[1].startswith("Drawing the stand-in, once")
    assert len(notes) == 3  # the second time it is there


def test_the_time_to_connect_is_ten_seconds() -> None:
    assert uci_source.CONNECT_TIMEOUT == kaggle_source.CONNECT_TIMEOUT == 10.0
