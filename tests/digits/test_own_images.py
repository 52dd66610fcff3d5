"""One's own images are prepared like the data set's, and what was done is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from hindi_bn.digits.own_images import LARGEST, prepare
from hindi_bn.errors import DataError


def ell(height: int = 70, width: int = 40, stroke: int = 10) -> NDArray[np.uint8]:
    """An L: 255 on 0, its strokes touching all four sides."""
    drawing = np.zeros((height, width), dtype=np.uint8)
    drawing[:, :stroke] = 255
    drawing[-stroke:, :] = 255
    return drawing


def framed(drawing: NDArray[np.uint8], ground: int = 25) -> NDArray[np.uint8]:
    return np.pad(drawing, ground)


def save(path: Path, pixels: NDArray[np.uint8], mode: str | None = None) -> Path:
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)
    return path


def assert_is_ell(image: NDArray[np.uint8]) -> None:
    assert image.shape == (32, 32)
    assert image.dtype == np.uint8
    assert image[2:30, 2:8].min() == 255  # the upright stroke, 1/4 of 28 wide: 7 pixels
    assert image[27:30, 2:30].min() == 255  # the lying stroke, 1/7 of 28 high: 4 pixels
    assert image[2:25, 10:30].max() == 0
    margin = image.copy()
    margin[2:30, 2:30] = 0
    assert margin.max() == 0


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_polarity_and_mode_do_not_matter(tmp_path: Path, dark: bool, mode: str) -> None:
    pixels = framed(ell())
    image, done = prepare(save(tmp_path / "a.png", 255 - pixels if dark else pixels, mode))
    assert_is_ell(image)
    assert done[0] == f"read 90 x 120, mode {mode}"
    assert ("inverted (dark on light)" in done) is dark
    assert "cropped to the strokes' box, 40 x 70 pixels" in done


def test_weak_ink_on_grey_paper_becomes_full_white_on_black(tmp_path: Path) -> None:
    pixels = 180 - (framed(ell()) // 255) * 60
    image, _ = prepare(save(tmp_path / "a.png", pixels.astype(np.uint8)))
    assert_is_ell(image)


def test_noise_of_the_paper_is_removed(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 20, (120, 90))
    pixels = (235 - noise - (framed(ell()) // 255) * 200).astype(np.uint8)
    image, _ = prepare(save(tmp_path / "a.png", pixels))
    assert image[2:25, 10:30].max() == 0
    assert image[2:30, 2:8].min() > 220


@pytest.mark.parametrize(("colour", "ground"), [(0, "white"), (255, "black")])
def test_transparent_drawings_are_laid_on_a_ground(
    tmp_path: Path, colour: int, ground: str
) -> None:
    alpha = framed(ell())
    pixels = np.dstack([np.full((*alpha.shape, 3), colour, dtype=np.uint8), alpha])
    image, done = prepare(save(tmp_path / "a.png", pixels))
    assert_is_ell(image)
    assert f"transparent parts laid on {ground}" in done


def test_sixteen_bits(tmp_path: Path) -> None:
    Image.fromarray(framed(ell()).astype(np.uint16) * 257).save(tmp_path / "a.png")
    image, done = prepare(tmp_path / "a.png")
    assert_is_ell(image)
    assert "grey values brought to 0..1" in done


def test_a_small_image_is_enlarged(tmp_path: Path) -> None:
    image, done = prepare(save(tmp_path / "a.png", framed(ell(14, 8, 2), 3)))
    assert "cropped to the strokes' box, 8 x 14 pixels" in done
    assert image[2:30, 2:7].min() > 200
    assert image[2:22, 14:].max() < 30
    assert image.max() == 255


def test_the_camera_s_orientation_is_undone(tmp_path: Path) -> None:
    turned = Image.fromarray(np.rot90(framed(ell())).copy())
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees clockwise
    turned.save(tmp_path / "a.png", exif=exif)
    assert_is_ell(prepare(tmp_path / "a.png")[0])


def test_an_image_of_the_data_set_is_left_as_it_is(tmp_path: Path) -> None:
    pixels = np.zeros((32, 32), dtype=np.uint8)
    pixels[2:30, 2:6] = 200
    pixels[28:30, 2:30] = 7
    image, done = prepare(save(tmp_path / "a.png", pixels))
    assert (image == pixels).all()
    assert done[-1] == "taken as it is: 32 x 32, white on black"


def test_a_32_x_32_drawing_that_is_not_prepared_is_prepared(tmp_path: Path) -> None:
    image, done = prepare(save(tmp_path / "a.png", 255 - framed(ell(14, 14, 2), 9)))
    assert "inverted (dark on light)" in done
    assert image[:, 2].max() == 255


@pytest.mark.parametrize("value", [0, 128, 255])
def test_an_empty_image_is_refused(tmp_path: Path, value: int) -> None:
    path = save(tmp_path / "empty.png", np.full((40, 40), value, dtype=np.uint8))
    with pytest.raises(DataError, match="shows no strokes"):
        prepare(path)


def test_an_empty_32_x_32_image_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "empty.png", np.zeros((32, 32), dtype=np.uint8))
    with pytest.raises(DataError, match="shows no strokes"):
        prepare(path)


def test_a_fully_transparent_image_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "empty.png", np.zeros((40, 40, 4), dtype=np.uint8))
    with pytest.raises(DataError, match="shows no strokes"):
        prepare(path)


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(DataError, match=r"text.png cannot be read as an image") as caught:
        prepare(tmp_path / "text.png")
    assert "PNG" in caught.value.next_step


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_grey_values_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    values = np.zeros((40, 40), np.float32)
    values[5:35, 18:22], values[0, 0] = 1, value
    Image.fromarray(values).save(tmp_path / "odd.tiff")
    with pytest.raises(DataError, match="cannot be read as an image") as error:
        prepare(tmp_path / "odd.tiff")
    assert "infinite or not a number" in error.value.why


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        prepare(tmp_path / "missing.png")
    with pytest.raises(DataError, match="cannot be read as an image"):
        prepare(tmp_path)


def test_a_truncated_image_is_refused(tmp_path: Path) -> None:
    whole = save(tmp_path / "a.png", framed(ell())).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cut.png cannot be read"):
        prepare(tmp_path / "cut.png")


def test_a_huge_image_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    Image.new("1", (20_000, LARGEST // 20_000 + 1)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="too large"):
        prepare(tmp_path / "a.png")
    Image.new("1", (20_000, 10_000)).save(tmp_path / "bomb.png")
    with pytest.raises(DataError, match="cannot be read"):
        prepare(tmp_path / "bomb.png")
