"""Runs of the evidence that the page repeats, and the archives that it reads."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from page.conftest import Page
from PIL import Image
from tiny import tiny_digits, tiny_study

import hindi_bn
from hindi_bn.digits import Digits, checksums
from hindi_bn.digits.images import image_folder, read_image
from hindi_bn.digits.unpacking import unpack
from hindi_bn.evidence.row import Row, row_of
from hindi_bn.evidence.shards import read_evidence, write_shard
from hindi_bn.page.rows import repeatable
from hindi_bn.records import Record, RunFolder

EVIDENCE = Path(__file__).parents[2] / "results" / "evidence"
TOP = "x/DHCD"
PATIENCE = 60  # seconds

Files = dict[str, bytes]


def png(pixels: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(buffer, "PNG", **options)
    return buffer.getvalue()


def archive(file: Path, files: Files, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(file, "w", method) as target:
        for name, content in files.items():
            target.writestr(name, content)
    return file


def by_class(digits: Digits) -> Digits:
    """The same digits in the order of an archive's."""
    found: dict[str, Any] = {}
    for split in ("train", "test"):
        labels = getattr(digits, f"{split}_labels")
        order = labels.argsort(stable=True)
        images = getattr(digits, f"{split}_images")[order]
        found |= {f"{split}_images": images, f"{split}_labels": labels[order]}
    digests = {
        split: hashlib.sha256(found[f"{split}_images"].numpy().tobytes()).hexdigest()
        for split in ("train", "test")
    }
    return dataclasses.replace(digits, digests=digests, **found)


def files_of(digits: Digits) -> Files:
    """Name images so that their order by name is that of the digits."""
    files: Files = {"README.txt": b"stray", f"{TOP}/Train/character_1_ka/1.png": b"a letter"}
    for split, folder in checksums.FOLDERS.items():
        images, labels = getattr(digits, f"{split}_images"), getattr(digits, f"{split}_labels")
        for place, (image, label) in enumerate(zip(images, labels, strict=True)):
            files[f"{TOP}/{folder}/digit_{label}/{place + 100}.png"] = png(image)
    return files


@pytest.fixture(scope="module")
def row(tmp_path_factory: pytest.TempPathFactory) -> Row:
    """A run with BN for two epochs, as evidence."""
    study = tiny_study(stream="paired", numerics="engine", lr=0.01)
    runs = [run for run in study.runs if run.norm.name == "batch"]
    records = hindi_bn.train(
        study.model_copy(update={"runs": tuple(runs)}),
        digits=by_class(tiny_digits()), out=tmp_path_factory.mktemp("rows"),
    )  # fmt: skip
    return row_of(RunFolder(records[0].folder))


@pytest.fixture(scope="module")
def with_row(row: Row, runs: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with that row aboard."""
    folder = tmp_path_factory.mktemp("page")
    write_shard(folder / "evidence", [row])
    return hindi_bn.build_page(runs, folder / "page.html", train=10, test=10, out=folder)


def test_rows_aboard_are_the_evidence_of_the_engine() -> None:
    rows = [*read_evidence(EVIDENCE).rows]
    arms = repeatable(rows)
    found = {run["key"]: run["sha256"] for arm in arms for run in arm["runs"]}
    other = {"init", "train_images"}  # settings of some rows that the page cannot repeat
    there: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.seed):
        if row.numerics == "engine" and not other & row.settings["run"].keys():
            there.setdefault(json.dumps(row.settings | {"seed": 0}, sort_keys=True), []).append(row)
    each = 1000 // len(there)  # of an arm, and so 1,000 in all at most
    assert found == {row.key: row.weights for arm in there.values() for row in arm[:each]}
    for arm in arms:
        seeds = [run["seed"] for run in arm["runs"]]
        assert seeds == sorted(set(seeds))
        assert all(len(run["test_accuracy"]) == arm["epochs"] for run in arm["runs"])


@pytest.mark.parametrize(
    "settings",
    [
        {"augment": "crop"}, {"scaling": "standard"}, {"train_images": 30}, {"network": "lenet"},
        {"norm": {"name": "batch", "gamma_beta": "normal"}}, {"dropout": 0.5},
        {"init": {"name": "kaiming"}}, {"optimizer": "adam"},
    ],
)  # fmt: skip
def test_rows_that_the_page_could_not_draw_or_compute_stay_behind(
    row: Row, settings: dict[str, Any]
) -> None:
    other = dataclasses.replace(row, settings=row.settings | {"run": settings})
    assert repeatable([row, other]) == repeatable([row]) != []


def test_rows_that_are_not_finished_or_not_the_engines_stay_behind(row: Row) -> None:
    fast = dataclasses.replace(row, settings=row.settings | {"numerics": "fast"})
    assert repeatable([dataclasses.replace(row, status="diverged"), fast]) == []


@pytest.mark.browser
class TestInTheBrowser:
    @pytest.fixture
    def opened(self, browser: Any, with_row: Path) -> Page:
        return Page(browser, with_row)

    def give(self, page: Page, file: Path) -> str:
        """Choose an archive; give what the page says when it has read it."""
        page.find("[name='archive']").send_keys(str(file))
        return self.until(page, lambda text: "is read" in text or "cannot be used" in text)

    def until(self, page: Page, done: Callable[[str], bool], patience: float = PATIENCE) -> str:
        end = time.monotonic() + patience
        while not done(text := page.find("#repeat-status").text):
            assert time.monotonic() < end, text
            time.sleep(0.02)
        return str(text)

    def test_a_row_is_repeated_to_the_bit(self, opened: Page, row: Row, tmp_path: Path) -> None:
        file = archive(tmp_path / "digits.zip", files_of(by_class(tiny_digits())))
        assert "70 training and 40 test digits" in self.give(opened, file)
        opened.find("#repeat-start").click()
        self.until(opened, lambda text: "is trained" in text)
        verdict = opened.find("#repeat-verdict").text
        assert "repeated this run, to the bit" in verdict
        assert verdict.count(row.weights) == 2
        cells = opened.driver.find_elements("css selector", "#repeat tbody td")
        shown = [each.text for each in cells]
        expected = [f"{100 * each:.2f} %" for each in row.history["test_accuracy"]]
        assert shown == [c for i, text in enumerate(expected) for c in (str(i + 1), text, text)]

    def test_with_the_rows_digits_aboard_no_archive_is_needed(
        self, browser: Any, row: Row, runs: list[Record], tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        digits = by_class(tiny_digits())
        monkeypatch.setattr("hindi_bn.digits.load", lambda *_: digits)
        monkeypatch.setattr(Record, "check_data", lambda *_: None)  # of runs on another order
        write_shard(tmp_path / "evidence", [row])
        page = Page(browser, hindi_bn.build_page(
            runs, tmp_path / "p.html", digits="real", train=70, test=40, out=tmp_path
        ))  # fmt: skip
        page.find("#repeat-start").click()
        self.until(page, lambda text: "is trained" in text)
        assert "repeated this run, to the bit" in page.find("#repeat-verdict").text

    def test_other_digits_are_refused_by_name(self, opened: Page, tmp_path: Path) -> None:
        other = by_class(tiny_digits(seed=1))
        self.give(opened, archive(tmp_path / "others.zip", files_of(other)))
        opened.find("#repeat-start").click()
        said = self.until(opened, lambda text: "not those of this row" in text)
        assert "others.zip" in said
        assert other.digests["train"][:16] in said

    def test_the_digits_aboard_are_refused_where_they_are_others(self, opened: Page) -> None:
        opened.find("#repeat-start").click()
        assert "stand-in" in self.until(opened, lambda text: "not those of this row" in text)

    def test_other_weights_are_told(self, opened: Page, row: Row, tmp_path: Path) -> None:
        opened.ask("page.aboard.rows[0].runs[0].sha256 = '0'.repeat(64)")
        self.give(opened, archive(tmp_path / "d.zip", files_of(by_class(tiny_digits()))))
        opened.find("#repeat-start").click()
        self.until(opened, lambda text: "is trained" in text)
        verdict = opened.find("#repeat-verdict").text
        assert verdict.startswith("Other weights than the row's.")
        assert row.weights in verdict

    def read(self, page: Page, file: Path) -> dict[str, Any]:
        """What page.archive.read finds: bytes and labels by split."""
        page.find("[name='archive']").send_keys(str(file))
        found: dict[str, Any] = page.ask("""
            const [file] = document.querySelector("[name='archive']").files;
            const read = await page.archive.read(file);
            const sha256 = (bytes) => new page.Sha256().update(bytes).hex();
            const told = ({images, labels}) => [sha256(images), [...labels]];
            return {train: told(read.train), test: told(read.test)};
        """)
        return found

    @pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    def test_images_and_their_order_are_those_of_the_package(
        self, opened: Page, tmp_path: Path, method: int
    ) -> None:
        random = np.random.default_rng(0)
        slope = np.add.outer(np.arange(32), 3 * np.arange(32))
        kinds = [
            random.integers(0, 256, (32, 32)), random.integers(0, 256, (32, 32, 3)), slope,
            np.stack([slope, 2 * slope % 256, slope], 2), np.zeros((32, 32)),
        ]  # fmt: skip
        names = ("10.png", "9.PNG", "b.png", "A.png", "100.png")
        files: Files = {
            "__MACOSX/Train/3/1.png": b"",
            "a/Train/3/.1.png": b"",
            "Train/3/1.png": png(slope),
        }
        for split in ("train", "TEST"):
            for digit in range(10):
                folder = f"{digit}" if digit % 2 else f"Digit_{digit}"
                for place, name in enumerate(names):
                    pixels = (kinds[place] + digit) % 256
                    content = png(pixels, optimize=bool(digit % 2))
                    files[f"a/b/{split}/{folder}/{name}"] = content
        file = archive(tmp_path / "mixed.zip", files, method)
        unpack(file, tmp_path)
        found = self.read(opened, file)
        for split, folder in checksums.FOLDERS.items():
            samples = image_folder(
                tmp_path / folder, is_valid_file=lambda name: name.lower().endswith(".png")
            ).samples
            pixels = np.stack([read_image(Path(path)) for path, _ in samples])
            assert found[split] == [checksums.digest(pixels), [digit for _, digit in samples]]

    @pytest.mark.parametrize(
        ("spoilt", "why"),
        [
            (lambda files, content: b"no archive", "not a zip archive"),
            (lambda files, content: content[:-40], "not a zip archive"),
            (lambda files, content: content.replace(b"PK\1\2", b"PK\5\5", 1), "damaged or cut off"),
            (lambda files, content: content.replace(b"PK\3\4", b"PK\5\5"), "damaged"),
            ({"a.txt": b""}, "holds no digits"),
            ({"Train/1/1.png": png(np.zeros((31, 32)))}, "32 x 31 pixels"),
            ({"Train/1/1.png": b"text"}, "Train/1/1.png is damaged. It is no PNG"),
            ({"Train/1/1.png": png(np.zeros((32, 32)))[:60]}, "cut off"),
            ({"Train/1/1.png": png(np.zeros((32, 32))) + bytes(2**17)}, "too large"),
            ({"Train/1/1.png": png(np.zeros((32, 32, 4)))}, "neither grey nor RGB"),
        ],
    )
    def test_archives_that_cannot_be_used_are_refused(
        self, opened: Page, tmp_path: Path, spoilt: Any, why: str
    ) -> None:
        good = {
            f"{split}/1/{n}.png": png(np.eye(32)) for split in ("Train", "Test") for n in (2, 3)
        }
        if callable(spoilt):
            file = archive(tmp_path / "bad.zip", good)
            file.write_bytes(spoilt(good, file.read_bytes()))
        else:
            file = archive(tmp_path / "bad.zip", spoilt if "a.txt" in spoilt else good | spoilt)
        said = self.give(opened, file)
        assert said.startswith("bad.zip cannot be used.")
        assert why in said

    def test_what_zlib_packs_is_inflated(self, opened: Page) -> None:
        random = np.random.default_rng(1)
        plain = [
            b"", b"a", b"ab" * 50_000, random.bytes(70_000), bytes(300),
            (random.integers(0, 9, 60_000) ** 2).astype(np.uint8).tobytes(),
        ]  # fmt: skip
        given, expected = [], []
        for content in plain:
            for level, strategy in (
                (0, 0),
                (1, 0),
                (9, 0),
                (6, zlib.Z_HUFFMAN_ONLY),
                (6, zlib.Z_FIXED),
            ):
                packer = zlib.compressobj(level, zlib.DEFLATED, -15, strategy=strategy)
                packed = packer.compress(content) + packer.flush()
                given.append([base64.b64encode(packed).decode(), len(content)])
                expected.append([hashlib.sha256(content).hexdigest(), 3 if content else 2])
        found = opened.ask("""
            const throws = (...given) => {
              try { page.inflate(...given); } catch { return 1; }
              return 0;
            };
            return args[0].map(([text, size]) => {
              const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
              const cut = throws(bytes.subarray(0, bytes.length - 1), size);
              const others = throws(bytes, size + 1) + (size && throws(bytes, size - 1));
              return [new page.Sha256().update(page.inflate(bytes, size)).hex(), cut + others];
            });
        """, given)  # fmt: skip
        assert found == expected

    @pytest.mark.slow
    def test_the_articles_archive_is_read_as_it_is(self, opened: Page, real_archive: Path) -> None:
        opened.driver.set_script_timeout(300)
        found = self.read(opened, real_archive)
        assert {split: told[0] for split, told in found.items()} == dict(checksums.ARTICLE.digests)
        assert torch.bincount(torch.tensor(found["train"][1])).tolist() == [1700] * 10
