"""The page as a whole: what is aboard, how it is joined, what is refused."""

from __future__ import annotations

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from at_half import network_at
from tiny import tiny_digits, tiny_study
from typer.testing import CliRunner, Result

import hindi_bn
from hindi_bn.cli import app
from hindi_bn.errors import StudyError
from hindi_bn.page.html import ENGINE, WORKER
from hindi_bn.page.weights import pack
from hindi_bn.records import Record, RunFolder
from hindi_bn.records.path import read_path

BUILT = Path(hindi_bn.__file__).parent / "engine" / "built" / "engine.wasm"


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["page", *map(str, arguments)])


def script(file: Path, name: str) -> str:
    """What stands in the page's script of this id."""
    found = re.search(rf'<script id="{name}" type="[^"]*">(.*?)</script>', file.read_text(), re.S)
    assert found
    return found[1]


def aboard(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(script(file, "aboard"))
    return document


def blob(file: Path, name: str) -> bytes:
    return zlib.decompress(base64.b64decode(script(file, f"blob-{name}")), -15)


def unpacked(planes: bytes, epochs: int) -> np.ndarray[Any, Any]:
    """float16 (epochs, numbers), added up one by one in Python's own integers."""
    rows, before = np.frombuffer(planes, np.uint8).reshape(epochs, 2, -1).tolist(), None
    found = []
    for low, high in rows:
        folded = [a + 256 * b for a, b in zip(low, high, strict=True)]
        added = [-(f + 1) // 2 if f % 2 else f // 2 for f in folded]
        before = added if before is None else [x + y for x, y in zip(before, added, strict=True)]
        wrapped = [(x + 2**15) % 2**16 - 2**15 for x in before]
        found.append([(0x8000 - x) if x < 0 else x for x in wrapped])
    return np.array(found, np.uint16).view(np.float16)


def test_the_weights_aboard_are_those_of_every_epoch_as_float16(
    built: Path, runs: list[Record]
) -> None:
    for told, record in zip(aboard(built)["runs"], runs, strict=True):
        path = read_path(RunFolder(record.folder))
        expected = torch.cat([path.weights, path.buffers], 1).half().numpy()
        assert told["epochs"] == [0, 1, 2]
        found = unpacked(blob(built, told["weights"]), 3)
        assert np.array_equal(found, expected)
        state = RunFolder(record.folder).read_weights()
        for each in told["layout"]:
            values = found[-1, each["at"] : each["at"] + each["size"]].reshape(each["shape"])
            assert np.array_equal(values, state[each["name"]].half().numpy())


def test_infinite_tiny_and_changing_numbers_keep_their_bits() -> None:
    numbers = np.float32([[1e9, -1e9, 6e-8, -1, 0.1, 65504], [-1e9, 1e9, -6e-8, 1, -0.1, -65504]])
    with np.errstate(over="ignore"):
        expected = numbers.astype(np.float16)
        packed = pack(numbers)
    assert np.array_equal(unpacked(zlib.decompress(packed, -15), 2), expected)


def test_what_is_told_of_the_runs_is_what_they_recorded(built: Path, runs: list[Record]) -> None:
    document = aboard(built)
    assert [run["words"] for run in document["runs"]] == ["without BN", "with BN"]
    for told, record in zip(document["runs"], runs, strict=True):
        accuracy = [row["test_accuracy"] for row in told["history"]]
        assert accuracy == record.history["test_accuracy"].tolist()
        assert told["pair"]["wx"] == record.history["wx"].tolist()
    assert document["published"] == {}
    assert document["digits"]["kind"] == "stand-in"
    assert sorted(document["digits"]["hard"]) == list(range(20))


def test_equal_runs_give_equal_bytes_and_no_path_of_the_machine(
    built: Path, runs: list[Record], tmp_path: Path
) -> None:
    again = hindi_bn.build_page(runs, tmp_path / "again.html", train=40, test=20, out=tmp_path)
    assert again.read_bytes() == built.read_bytes()
    assert str(runs[0].folder.parent) not in again.read_text()


def test_the_stand_in_is_aboard_unless_the_real_digits_are_asked_for(
    built: Path, runs: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = tiny_digits()
    monkeypatch.setattr("hindi_bn.digits.load", lambda *_: digits)
    drawn = blob(built, "digits")
    assert len(drawn) == 60 * 1025
    file = hindi_bn.build_page(runs, tmp_path / "p.html", digits="real", train=40, test=20)
    real = np.frombuffer(blob(file, "digits"), np.uint8)
    places = aboard(file)["digits"]["test_places"]
    images = real[40 * 1025 :][: 20 * 1024].reshape(20, 32, 32)
    assert np.array_equal(images, digits.test_images[places].numpy())
    assert real[-20:].tolist() == digits.test_labels[places].tolist()
    assert aboard(file)["half"]["of"] == 2 * len(digits.test_labels)


def test_hostile_words_end_no_script_and_begin_none(tmp_path: Path) -> None:
    hostile = "</script><script>alert(1)</script><!--"
    study = tiny_study(description=hostile, epochs=1, numerics="engine")
    records = hindi_bn.train(study, digits=tiny_digits(), out=tmp_path)
    file = hindi_bn.build_page(records, tmp_path / "p.html", train=10, test=10, command=hostile)
    assert aboard(file)["runs"][0]["description"] == hostile
    assert "alert(1)" in file.read_text()
    assert "<script>alert" not in file.read_text()


def test_the_page_forbids_itself_the_network(built: Path) -> None:
    text = built.read_text()
    assert "default-src 'none'" in text
    assert not re.search(r'(?:src|href)="(?!#|data:)', text)


def test_the_engine_aboard_is_the_one_that_is_compiled_from_the_source() -> None:
    if not BUILT.is_file():
        pytest.skip("the engine could not be compiled here")
    assert ENGINE.read_bytes() == BUILT.read_bytes(), "make engine, and copy engine.wasm here"
    assert set(WORKER) <= {file.name for file in ENGINE.parent.iterdir()}


def test_runs_that_the_engine_cannot_compute_are_refused(tmp_path: Path) -> None:
    study = tiny_study(network="lenet", epochs=1, recordings=[])
    records = hindi_bn.train(study, digits=tiny_digits(), out=tmp_path)
    with pytest.raises(StudyError, match="does not know network 'lenet'"):
        hindi_bn.build_page(records, tmp_path / "p.html")
    assert not (tmp_path / "p.html").exists()


def test_the_command_names_its_file_and_says_what_is_wrong(
    runs: list[Record], tmp_path: Path
) -> None:
    folders = [str(run.folder) for run in runs]
    out, empty = tmp_path / "p.html", tmp_path / "none"
    done = call(*folders, "--out", out, "--train", "10", "--test", "10", "--data-dir", empty)
    assert done.exit_code == 0
    assert done.stdout.strip() == str(out)
    assert aboard(out)["half"] is None  # the digits are not there
    for arguments, why in (
        ([folders[0]], "One run alone"),
        ([*folders, "--train", "15"], "multiple of 10"),
        ([*folders, "--digits", "real", "--data-dir", empty], "hindi-bn download"),
        (["--results", empty], "hindi-bn"),
    ):
        refused = call(*arguments)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert why in " ".join(refused.stderr.split())


def test_digits_that_one_network_misreads_come_first(built: Path, runs: list[Record]) -> None:
    raw = np.frombuffer(blob(built, "digits"), np.uint8)[40 * 1025 :]
    images = torch.tensor(raw[: 20 * 1024].reshape(20, 1, 32, 32) / np.float32(255))
    labels = torch.tensor(raw[20 * 1024 :].astype(np.int64))
    wrong = [network_at(run, 2)(images).argmax(1) != labels for run in runs]
    hard = aboard(built)["digits"]["hard"]
    misread = [int(wrong[0][place]) + int(wrong[1][place]) for place in hard]
    assert misread == sorted(misread, key={1: 0, 2: 1, 0: 2}.__getitem__)
    assert len(set(misread)) > 1


@pytest.mark.slow
def test_reproduce_records_what_the_page_needs_and_goes_on_with_what_did_not(
    tmp_path: Path, unrendered: None
) -> None:
    study, digits = tiny_study(numerics="engine"), tiny_digits()
    hindi_bn.train(study, ["no-bn"], digits=digits, out=tmp_path)
    for _ in range(2):  # the second time it finds both finished
        hindi_bn.reproduce(study, digits, out=tmp_path)
    hindi_bn.build_page([tmp_path / "article/no-bn", tmp_path / "article/bn"], train=10, test=10)
    file = tmp_path / "article" / "page.html"
    assert [run["epochs"] for run in aboard(file)["runs"]] == [[0, 2], [0, 1, 2]]
    hindi_bn.reproduce(study, digits, out=tmp_path, overwrite=True)
    hindi_bn.build_page([tmp_path / "article/no-bn", tmp_path / "article/bn"], train=10, test=10)
    assert [run["epochs"] for run in aboard(file)["runs"]] == [[0, 1, 2], [0, 1, 2]]


@pytest.mark.slow
def test_the_stand_ins_runs_are_taken_where_there_are_no_others(tmp_path: Path) -> None:
    (tmp_path / "article" / "comparison").mkdir(parents=True)  # as in every clone
    study = tiny_study(numerics="engine", epochs=1)
    drawn = study.model_copy(update={"data": "stand-in"})
    hindi_bn.train(drawn, digits=tiny_digits(), out=tmp_path)
    file = hindi_bn.build_page(study, out=tmp_path, train=10, test=10, data_dir=tmp_path)
    assert file == tmp_path / "article-stand-in" / "page.html"
