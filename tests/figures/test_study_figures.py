"""Figures: what is drawn where, how it is labelled, and that equal input gives equal bytes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from made_histories import IDENTICAL, STAND_IN
from made_histories import history as made_history
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scripts import importing

from hindi_bn.errors import HindiBnError
from hindi_bn.figures.comparison import (
    accuracy_curves,
    accuracy_figure,
    class_scores_figure,
    confusion_figure,
    loss_curves,
    loss_figure,
)
from hindi_bn.figures.descent import descent_2d, descent_3d, descent_figure
from hindi_bn.figures.style import Caption, composing, looks, save
from hindi_bn.stats.recordings import pair_changes


def history(*columns: Any, **weights: Any) -> pd.DataFrame:
    """A made history with the changes of its pair, which the descent is drawn from."""
    return pair_changes(made_history(*columns, **weights))


HISTORIES = {
    "no-bn": history([2.0, 0.5, 0.3], [0.80, 0.90, 0.85]),
    "bn": history([0.6, 0.2, 0.1], [0.94, 0.96, 0.97]),
}
PUBLISHED = pd.DataFrame(
    {
        "run": ["no-bn", "no-bn", "bn", "bn", "bn"],
        "epoch": [0, 1, 1, 2, 3],
        "test_accuracy": [0.81, 0.91, 0.95, 0.96, 0.98],
        "train_loss": [2.1, 0.6, 0.3, 0.2, 0.1],
    }
)
PAIRS = {
    run: {"layer": layer, "wx": "weight[3, 4, 1, 0]", "wy": "weight[3, 8, 1, 0]"}
    for run, layer in (("no-bn", "4"), ("bn", "6"))
}


ONE_EACH = Caption(STAND_IN, "n = 1 run each")
with composing("", None, 2, 1) as EMPTY:
    pass


def panel(projection: str | None = None) -> Any:
    return Figure().add_subplot(projection=projection)


def drawn(ax: Axes) -> dict[str, list[tuple[float, float]]]:
    return {
        str(line.get_label()): [(float(x), round(float(y), 9)) for x, y in line.get_xydata()]
        for line in ax.lines
    }


def legend_of(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def texts(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(mpl.text.Text))


def inside(figure: Figure) -> bool:
    """Whether everything that is drawn lies within the figure."""
    figure.draw_without_rendering()
    width, height = figure.get_size_inches()
    drawn_box = figure.get_tightbbox()
    return bool(
        drawn_box.x0 >= 0 and drawn_box.y0 >= 0 and drawn_box.x1 <= width and drawn_box.y1 <= height
    )


# style


def test_known_arms_always_have_the_same_look() -> None:
    alone = looks(["bn"])["bn"]
    among = looks(["group", "none", "batch", "layer"])
    assert among["batch"] == alone
    assert among["none"] == looks(["no-bn"])["no-bn"]
    assert list(among) == ["group", "none", "batch", "layer"]
    assert among["group"] == looks(["group"])["group"]


def test_looks_differ_even_when_known_names_meet() -> None:
    names = ["bn", "batch", "none", "no-bn", *(f"arm {i}" for i in range(45))]
    given = list(looks(names).values())
    assert len(set(given)) == 49
    assert len({look.colour for look in given[:4]}) == 4


def test_colours_are_told_apart_without_colour_vision() -> None:
    """Every two differ in lightness or in blue-yellow, which nearly all people see."""
    colours = {look.colour for look in looks([f"arm {i}" for i in range(5)]).values()}
    colours |= {look.colour for look in looks(["bn", "no-bn"]).values()}
    for first, second in combinations(sorted(colours), 2):
        red, green, blue = np.subtract(mpl.colors.to_rgb(first), mpl.colors.to_rgb(second))
        lightness, yellow = 0.3 * red + 0.59 * green + 0.11 * blue, blue - (red + green) / 2
        assert np.hypot(lightness, yellow) > 0.15, (first, second)


@pytest.mark.parametrize(
    ("formats", "dpi", "words"),
    [(("gif",), 150, "gif"), ((), 150, "nothing at all"), (("png",), 0, "0 dots per inch")],
)
def test_formats_and_dots_that_cannot_be_are_refused(
    tmp_path: Path, formats: tuple[str, ...], dpi: int, words: str
) -> None:
    with pytest.raises(HindiBnError, match=words) as caught:
        save(EMPTY, tmp_path / "figure", formats, dpi)
    assert "--format" in caught.value.next_step or "--dpi" in caught.value.next_step
    assert list(tmp_path.iterdir()) == []


def test_names_with_dots_keep_them_and_dpi_sets_the_size(tmp_path: Path) -> None:
    (path,) = save(EMPTY, tmp_path / "descent-lr0.1", dpi=100)
    assert path.name == "descent-lr0.1.png"
    width, height = np.frombuffer(path.read_bytes()[16:24], dtype=">u4")
    assert (width, height) == (200, 100)


DRAW = """
import sys
from pathlib import Path
from test_study_figures import *
folder = Path(sys.argv[1])
formats = ("png", "svg", "pdf")
caption = Caption(STAND_IN, "n = 1")
save(accuracy_figure(HISTORIES, caption, PUBLISHED), folder / "accuracy", formats, 40)
save(descent_figure(HISTORIES, PAIRS, caption), folder / "descent", formats, 40)
save(descent_figure(HISTORIES, PAIRS, caption, projected=True), folder / "above", formats, 40)
"""


@pytest.mark.slow
def test_equal_input_gives_equal_bytes_in_every_process(tmp_path: Path) -> None:
    digests = []
    for hash_seed in ("1", "2"):
        folder = tmp_path / hash_seed
        environment = importing(__file__, PYTHONHASHSEED=hash_seed)
        subprocess.run(
            [sys.executable, "-c", DRAW, str(folder)],
            check=True, env=environment, timeout=120,
        )  # fmt: skip
        files = sorted(folder.iterdir())
        assert len(files) == 9
        digests.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
        for file in files:
            assert b"Matplotlib" not in file.read_bytes()  # nor its version
    assert digests[0] == digests[1]


def test_drawing_leaves_no_trace_in_matplotlib() -> None:
    import matplotlib.pyplot as plt

    before = dict(mpl.rcParams)
    accuracy_figure(HISTORIES, Caption(STAND_IN))
    descent_figure(HISTORIES, PAIRS, Caption(STAND_IN))
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before


def test_every_figure_names_the_data_and_the_details() -> None:
    matrix = pd.DataFrame(np.eye(10, dtype=int) * 3)
    scores = pd.DataFrame({"run": "bn", "class": range(10), "f1": 0.5})
    for figure in (
        accuracy_figure(HISTORIES, ONE_EACH),
        loss_figure(HISTORIES, ONE_EACH),
        descent_figure(HISTORIES, PAIRS, ONE_EACH),
        descent_figure(HISTORIES, PAIRS, ONE_EACH, projected=True),
        confusion_figure({"bn": matrix}, ONE_EACH),
        class_scores_figure(scores, ONE_EACH),
    ):
        assert f"Data: {STAND_IN} · n = 1 run each" in texts(figure)
    assert texts(loss_figure(HISTORIES, Caption(IDENTICAL))).endswith(f"Data: {IDENTICAL}")


# curves


def test_accuracy_curves_draw_percentages_and_published_points() -> None:
    ax = accuracy_curves(
        HISTORIES, panel(), PUBLISHED, {"bn": (2, 0.975), "no-bn": (29, 0.924), "else": (0, 0.5)}
    )
    assert drawn(ax) == {
        "without BN": [(0, 80), (1, 90), (2, 85)],
        "with BN": [(0, 94), (1, 96), (2, 97)],
        "without BN, published": [(0, 81), (1, 91)],
        "with BN, published": [(1, 95), (2, 96)],  # epoch 3 has not been reached
        "with BN, published final (97.50 %)": [(2, 97.5)],
    }
    assert legend_of(ax) == [
        "without BN", "without BN, published",
        "with BN", "with BN, published", "with BN, published final (97.50 %)",
    ]  # fmt: skip
    hollow = [line for line in ax.lines if "published" in str(line.get_label())]
    assert all(line.get_markerfacecolor() == "none" for line in hollow)
    colours = looks(HISTORIES)
    assert hollow[0].get_markeredgecolor() == colours["no-bn"].colour
    assert ax.get_ylabel() == "Test accuracy (%)"
    assert "Epoch" in ax.get_xlabel()


def test_curves_without_published_numbers_show_none() -> None:
    assert legend_of(loss_curves(HISTORIES, panel())) == ["without BN", "with BN"]
    other = {"group": history([1.0, 0.5])}
    assert legend_of(loss_curves(other, panel(), PUBLISHED)) == ["group norm"]


def test_loss_is_logarithmic_unless_a_loss_is_zero() -> None:
    ax = loss_curves(HISTORIES, panel(), PUBLISHED)
    assert ax.get_yscale() == "log"
    assert drawn(ax)["with BN, published"] == [(1, 0.3), (2, 0.2)]
    assert loss_curves({"bn": history([1.0, 0.0])}, panel()).get_yscale() == "linear"


def test_one_epoch_has_one_whole_tick_and_a_visible_marker() -> None:
    figure = accuracy_figure({"bn": history([1.0], [0.9])}, Caption(IDENTICAL))
    figure.draw_without_rendering()
    (ax,) = figure.axes
    low, high = ax.get_xlim()
    assert [tick for tick in ax.get_xticks() if low <= tick <= high] == [0]
    assert ax.lines[0].get_marker() == looks(["bn"])["bn"].marker


def test_runs_of_one_epoch_are_told_apart_by_their_values() -> None:
    alike = {"no-bn": history([1.0], [0.9]), "bn": history([1.0], [0.9012])}
    assert legend_of(accuracy_curves(alike, panel())) == ["without BN: 90", "with BN: 90.12"]


def test_many_epochs_are_a_line_without_markers() -> None:
    ax = loss_curves({"bn": history(list(np.linspace(2, 0.1, 80)))}, panel())
    assert ax.lines[0].get_marker() in ("", "None", None)


@pytest.mark.parametrize("epochs", [1, pytest.param(2, marks=pytest.mark.slow), 30])
def test_no_text_is_cut_off(epochs: int) -> None:
    losses = list(np.geomspace(2.0, 0.02, epochs))
    histories = {"no-bn": history(losses), "bn": history(losses)}
    ends = {"bn": (epochs - 1, 0.9913333), "no-bn": (epochs - 1, 0.924)}
    assert inside(accuracy_figure(histories, Caption(IDENTICAL, "n = 1"), PUBLISHED, ends))
    assert inside(loss_figure(histories, Caption(IDENTICAL, "n = 1"), PUBLISHED))
    for chosen in (histories, {"bn": histories["bn"]}):
        assert inside(descent_figure(chosen, PAIRS, Caption(IDENTICAL)))
        assert inside(descent_figure(chosen, PAIRS, Caption(IDENTICAL), projected=True))


# descent


def arrows(ax: Axes) -> int:
    patches = ax.findobj(mpl.patches.FancyArrowPatch)
    return len(patches) + sum(
        note.arrow_patch is not None for note in ax.findobj(mpl.text.Annotation)
    )


def test_descent_shows_the_change_from_the_start_in_a_readable_unit() -> None:
    steps = history([2.0, 1.0, 0.5], wx=[-0.07, -0.068, -0.064], wy=[0.04, 0.04, 0.04 - 3e-7])
    ax = descent_3d(steps, panel("3d"), PAIRS["bn"])
    x, y, z = ax.lines[0].get_data_3d()
    assert list(x) == pytest.approx([0, 2, 6])
    assert list(y) == pytest.approx([0, 0, -3])
    assert list(z) == [2.0, 1.0, 0.5]
    assert ax.get_xlabel() == ("wx = weight[3, 4, 1, 0]\nchange since −0.0700, in $10^{-3}$")
    assert ax.get_ylabel() == ("wy = weight[3, 8, 1, 0]\nchange since 0.0400, in $10^{-7}$")
    assert ax.get_zlabel() == "Training loss (nats)"
    assert arrows(ax) == 2


def test_losses_that_hardly_differ_are_told_apart_on_the_axes() -> None:
    still = history([2.30374, 2.30368, 2.30370])
    ax = descent_3d(still, panel("3d"))
    ax.figure.canvas.draw()
    texts = [text.get_text() for text in ax.zaxis.get_ticklabels()]
    assert [float(text) for text in texts] == pytest.approx(list(ax.get_zticks()), abs=1e-9)
    assert ax.zaxis.get_offset_text().get_text() == ""
    flat = panel()
    descent_2d(still, flat)
    bar = [text.get_text() for text in flat.figure.axes[1].get_yticklabels()]
    assert len(bar) == len(set(bar)) >= 3


def test_ticks_of_a_3d_panel_stay_away_from_the_corners() -> None:
    ax = descent_3d(history(list(np.geomspace(2, 0.1, 30))), panel("3d"))
    for name in "xyz":
        low, high = getattr(ax, f"get_{name}lim")()
        ticks = getattr(ax, f"get_{name}ticks")()
        assert 2 <= len(ticks) <= 7
        assert min(ticks) - low > 0.05 * (high - low)
        assert high - max(ticks) > 0.05 * (high - low)


def test_the_projection_is_coloured_by_the_loss() -> None:
    ax = descent_2d(HISTORIES["bn"], panel(), PAIRS["bn"])
    dots = ax.collections[0]
    array = dots.get_array()
    assert array is not None
    assert list(array) == [0.6, 0.2, 0.1]
    assert dots.get_offsets().tolist() == pytest.approx(np.array([[0, 0], [1, 2], [2, 8]]))
    assert isinstance(dots.norm, mpl.colors.LogNorm)
    bar = ax.figure.axes[1]
    assert bar.get_ylabel() == "Training loss (nats)"
    assert arrows(ax) == 2


def test_a_loss_of_zero_is_coloured_evenly() -> None:
    dots = descent_2d(history([1.0, 0.0]), panel()).collections[0]
    assert not isinstance(dots.norm, mpl.colors.LogNorm)


def test_start_and_end_are_marked_and_one_epoch_is_both() -> None:
    for projection, function in ((None, descent_2d), ("3d", descent_3d)):
        ax = function(HISTORIES["bn"], panel(projection))
        labels = {str(artist.get_label()) for artist in ax.collections}
        assert {"start (after epoch 0)", "end (after epoch 2)"} <= labels
        ax = function(history([1.0]), panel(projection))
        labels = {str(artist.get_label()) for artist in ax.collections}
        assert "start (after epoch 0)" in labels
        assert not any("end" in label for label in labels)
        assert arrows(ax) == 0


def test_a_weight_that_never_moves_is_said_to_start_where_it_stays() -> None:
    ax = descent_3d(history([2.0, 1.0], wx=[0.25, 0.25]), panel("3d"))
    assert ax.get_xlabel() == "wx\nchange since 0.2500"
    assert list(ax.get_xticks()) == [0]


def test_panels_of_many_runs_stand_in_rows_of_three() -> None:
    runs = {f"arm-{i}": history([1.0, 0.5]) for i in range(4)}
    figure = descent_figure(runs, {}, Caption(IDENTICAL))
    titles = [ax.get_legend().get_title().get_text() for ax in figure.axes]
    assert titles == list(runs)
    assert {ax.get_subplotspec().get_geometry()[:2] for ax in figure.axes} == {(2, 3)}


def test_a_panel_names_run_and_layer_in_the_run_s_colour() -> None:
    figure = descent_figure(
        {"bn": HISTORIES["bn"]}, PAIRS, Caption(IDENTICAL), colours={"bn": "#123456"}
    )
    title = figure.axes[0].get_legend().get_title()
    assert (title.get_text(), title.get_color()) == ("with BN (layer 6)", "#123456")


# confusion


def test_the_confusion_matrix_shows_counts_and_leaves_zeros_empty() -> None:
    counts = np.eye(10, dtype=int) * 300
    counts[4, 4], counts[4, 9] = 298, 2
    figure = confusion_figure({"bn": pd.DataFrame(counts)}, Caption(IDENTICAL))
    (ax,) = figure.axes
    cells = [text.get_text() for text in ax.texts]
    assert sorted(cells) == ["2", "298"] + ["300"] * 9
    assert ax.get_title() == "with BN: 2 of 3000 wrong"
    assert "on a logarithmic scale" in texts(figure)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Predicted digit", "True digit")
    assert inside(figure)


def test_scores_have_a_marker_a_class_and_run() -> None:
    scores = pd.DataFrame(
        {"run": ["no-bn"] * 2 + ["bn"] * 2, "class": [0, 1, 0, 1], "f1": [0.5, 0.75, 0.9, 1.0]}
    )
    figure = class_scores_figure(scores, Caption(IDENTICAL))
    (ax,) = figure.axes
    assert [list(line.get_ydata()) for line in ax.lines] == [[50, 75], [90, 100]]
    assert legend_of(ax) == ["without BN", "with BN"]
    assert inside(figure)
