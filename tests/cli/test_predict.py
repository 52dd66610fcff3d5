"""`hindi-bn predict` right after installation: doubt, batches, folders, stdin and scores."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw
from scipy import stats
from typer.testing import CliRunner, Result

import hindi_bn
from hindi_bn.article import trained
from hindi_bn.cli import app
from hindi_bn.digits import stand_in
from hindi_bn.stats.calibration import calibrated, temperature_of

ROOT = Path(__file__).parent.parent.parent
PACKED = ROOT / "hindi_bn" / "article" / "trained_networks"


def run(*arguments: str, code: int = 0, stdin: bytes | None = None) -> Result:
    result = CliRunner().invoke(app, ["predict", *arguments], input=stdin)
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def digit(number: int = 4, place: int = 0) -> Image.Image:
    images = stand_in.draw(train_per_class=0, test_per_class=place + 1)[1]
    return Image.fromarray(images[number * (place + 1) + place])


def paper(draw: str, *points: object) -> Image.Image:
    image = Image.new("L", (300, 300), 230)
    getattr(ImageDraw.Draw(image), draw)(*points)
    return image


def test_the_networks_come_along_and_nothing_else_is_needed() -> None:
    digit().save("four.png")
    for name in ("bn", "no-bn"):
        answer = json.loads(run("four.png", "--run", name, "--json").stdout)[0]
        assert answer["digit"] == 4
        assert name in answer["run"]
        assert "identical to the article's" in answer["trained_on"]


def test_the_networks_are_those_of_the_committed_comparison() -> None:
    for name in trained.NAMES:
        ours = trained.read_trained(name).history.drop(columns="seconds")
        theirs = pd.read_csv(ROOT / f"results/article/comparison/{name}.history.csv")
        for column in ours:
            assert list(ours[column]) == pytest.approx(list(theirs[column]), rel=1e-15), column
    manifest = json.loads((PACKED / "manifest.json").read_text())
    there = {str(f.relative_to(PACKED).as_posix()) for f in PACKED.rglob("*") if f.is_file()}
    assert there == {"manifest.json", *manifest}
    for file, digest in manifest.items():
        assert hashlib.sha256((PACKED / file).read_bytes()).hexdigest() == digest


def test_a_changed_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"bn/weights.safetensors": "0" * 64}))
    (tmp_path / "bn").mkdir()
    (tmp_path / "bn" / "weights.safetensors").write_bytes(b"other weights")
    monkeypatch.setattr(trained, "FOLDER", tmp_path)
    trained._checked.cache_clear()
    digit().save("four.png")
    assert "bn/weights.safetensors is not that of its manifest" in run("four.png", code=1).stderr


@pytest.mark.parametrize(
    ("image", "doubt"),
    [
        (paper("line", [(150, 40), (155, 260)], 40, 12), "a straight line"),
        (paper("line", [(50, 40), (205, 260)], 40, 12), "a straight line"),
        (paper("ellipse", [100, 90, 210, 200], 40), "a blot"),
        (paper("rectangle", [70, 130, 230, 165], None, 40, 8), "wider than a digit"),
    ],
)
def test_what_is_no_digit_is_unsure(image: Image.Image, doubt: str) -> None:
    image.save("drawn.png")
    (answer,) = json.loads(run("drawn.png", "--json").stdout)
    assert any(doubt in said for said in answer["doubts"]), answer["doubts"]
    assert "unsure" in run("drawn.png").stdout


def test_blank_paper_has_no_answer() -> None:
    noise = np.random.default_rng(1).normal(210, 3, (400, 300)).round().astype(np.uint8)
    Image.fromarray(noise).save("blank.png")
    assert "blank.png shows no" in run("blank.png", code=1).stderr


def test_one_unreadable_file_does_not_take_the_others_answers() -> None:
    digit(4).save("four.png")
    Path("broken.png").write_bytes(b"no image")
    digit(7).save("seven.png")
    result = run("four.png", "broken.png", "seven.png", "--json", code=1)
    answers = json.loads(result.stdout)
    assert [(a["image"], a["digit"]) for a in answers] == [
        ("four.png", 4), ("broken.png", None), ("seven.png", 7),
    ]  # fmt: skip
    assert "broken.png cannot be read" in answers[1]["error"]
    assert "1 of 3 images" in result.stderr
    assert "four.png" in run("four.png", "broken.png", code=1).stdout


def test_an_image_on_standard_input() -> None:
    file = io.BytesIO()
    digit().save(file, "PNG")
    assert json.loads(run("-", "--json", stdin=file.getvalue()).stdout)[0]["digit"] == 4


def test_show_writes_what_the_network_saw() -> None:
    pixels = np.asarray(digit(), dtype=np.uint8)
    Image.fromarray(255 - np.kron(pixels, np.ones((5, 5), dtype=np.uint8))).save("large.png")
    digit().save("small.png")
    run("large.png", "small.png", "--show", "seen")
    large, small = (Image.open(file) for file in sorted(Path("seen").iterdir()))
    assert large.size == small.size == (32, 32)
    assert (np.asarray(small) == pixels).all()
    assert np.corrcoef(np.asarray(large).ravel(), pixels.ravel())[0, 1] > 0.97


def test_a_folder_per_class_is_scored() -> None:
    """Three images in two classes, one of them in the wrong folder, and one that is no image."""
    for folder, number, name in [("digit_4", 4, "a"), ("digit_4", 7, "b"), ("digit_7", 7, "c")]:
        Path("mine", folder).mkdir(parents=True, exist_ok=True)
        digit(number).save(f"mine/{folder}/{name}.png")
    Path("mine/digit_7/d.png").write_bytes(b"no image")
    scores = json.loads(run("mine", "--labels", "--json", code=1).stdout)["scores"]
    assert (scores["images"], scores["right"], scores["accuracy"]) == (4, 2, 0.5)
    assert scores["unsure"] >= 0.25  # the one without an answer, at least
    seven = scores["per_class"][7]
    assert (seven["precision"], seven["recall"], seven["support"]) == (0.5, 1.0, 1)
    assert "2 of 4 images right (50.0 %)" in run("mine", "--labels", code=1).stdout


def test_images_without_a_class_cannot_be_scored() -> None:
    Path("mine").mkdir()
    digit().save("mine/four.png")
    assert "does not end in a digit" in run("mine", "--labels", code=1).stderr


def test_a_folder_without_images_is_refused() -> None:
    Path("empty").mkdir()
    assert "holds no images" in run("empty", code=1).stderr


def test_the_temperature_is_the_one_under_which_labels_were_drawn() -> None:
    """Labels drawn from softmax(z / 2) are given back the 2; by the shares of scipy's own."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (20_000, 10))
    weights = np.exp(logits / 2)
    weights /= weights.sum(axis=1, keepdims=True)
    labels = (weights.cumsum(axis=1) < rng.uniform(size=(len(weights), 1))).sum(axis=1).clip(0, 9)
    stated = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert temperature_of(stated, labels) == pytest.approx(2, rel=0.05)
    assert calibrated(stated, 2.0) == pytest.approx(weights, rel=1e-6)
    assert stats.entropy(calibrated(stated, 5.0)[0]) > stats.entropy(stated[0])


@pytest.mark.slow
@pytest.mark.real
def test_what_doubt_rests_on_is_that_of_the_digits(real_data_dir: Path, tmp_path: Path) -> None:
    """Temperatures by a search over a grid, distances by scipy's inverse and numpy's sums."""
    from hindi_bn.training.run import load_network

    digits = hindi_bn.load_digits(real_data_dir)
    doubt = trained.read_doubt()
    images, labels = digits.test_images, digits.test_labels
    for name, temperature in doubt.temperatures.items():
        logits = load_network(trained.read_trained(name))(images[:, None].float() / 255)
        logits = logits.detach().double()
        losses = [
            float((logits / t).log_softmax(1)[range(3000), labels].mean().neg())
            for t in (temperature * 0.97, temperature, temperature * 1.03)
        ]
        assert losses[1] == min(losses)
    cells = digits.train_images[:, 2:30, 2:30].double().reshape(-1, 7, 4, 7, 4).mean((2, 4)) / 255
    threes = cells[digits.train_labels == 3].flatten(1).numpy()
    assert doubt.likeness.means[3] == pytest.approx(threes.mean(axis=0), abs=1e-6)
    spread = np.cov(threes.T) + 1e-3 * np.eye(49)
    assert doubt.likeness.precisions[3] @ spread == pytest.approx(np.eye(49), abs=1e-3)
    far = doubt.likeness.distances(images.numpy()) > doubt.farthest
    assert far.mean() == pytest.approx(0.02, abs=1e-3)
