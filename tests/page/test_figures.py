"""The page's figures in Chromium: the result, the descent, the claims, the surface."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from page.conftest import Page
from tiny import tiny_digits, tiny_study

import hindi_bn
from hindi_bn.landscape.surfaces import Settings
from hindi_bn.page.aboard import with_weights

pytestmark = pytest.mark.browser

CLAIMS = Path(__file__).parents[2] / "results" / "claims"
HOSTILE = "<img src=x onerror=\"document.title='broken'\">"
RUNS = {"no-bn": "without BN", "bn": "with BN"}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny runs with surfaces beside them, and a ledger in which a claim has a hostile title."""
    folder = tmp_path_factory.mktemp("figures")
    study = with_weights(tiny_study(stream="paired", numerics="engine", lr=0.01, epochs=6))
    records = hindi_bn.train(study, digits=tiny_digits(), out=folder)
    for name, directions in (("around", "filters"), ("plane", "path")):
        settings = Settings(directions, points=5)  # type: ignore[arg-type]
        hindi_bn.landscape_surface(records, tiny_digits(), settings, name=name, images=10)
    shutil.copytree(CLAIMS, folder / "claims")
    file = folder / "claims" / "claims.json"
    document = json.loads(file.read_text())
    document["claims"][0]["title"] = HOSTILE
    file.write_text(json.dumps(document))
    hindi_bn.build_page(records, folder / "page.html", train=20, test=20, out=folder)
    return folder


@pytest.fixture
def figures(browser: Any, folder: Path) -> Iterator[Page]:
    browser.get_log("browser")
    opened = Page(browser, folder / "page.html")
    drawn(opened)
    yield opened
    assert opened.said() == []


def drawn(page: Page) -> None:
    """Wait until what was asked for has been drawn."""
    page.ask("await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 60)));")


def press(page: Page, selector: str, *keys: str) -> None:
    page.find(selector).send_keys(*keys)
    drawn(page)


def histories(folder: Path) -> dict[str, list[dict[str, float]]]:
    found = {}
    for run in RUNS:
        [file] = folder.glob(f"*/{run}/history.csv")
        with file.open() as rows:
            found[run] = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(rows)]
    return found


def cells(page: Page) -> list[list[str]]:
    return list(page.ask(
        "return [...document.querySelectorAll('#result-table tbody tr')]"
        ".map((row) => [...row.children].map((cell) => cell.textContent));"
    ))  # fmt: skip


def test_the_table_and_the_sentence_are_the_histories(figures: Page, folder: Path) -> None:
    for run, (words, now, last, best, five) in zip(RUNS, cells(figures), strict=True):
        accuracy = [100 * row["test_accuracy"] for row in histories(folder)[run]]
        top = accuracy.index(max(accuracy))
        assert words == RUNS[run]
        assert now == last == f"{accuracy[-1]:.2f}"
        assert best == f"{max(accuracy):.2f} ({top + 1})"
        assert float(five) == pytest.approx(sum(accuracy[-5:]) / 5, abs=0.0051)
    sentence = figures.find("#result-sentence").text
    final = {RUNS[run]: rows[-1]["test_accuracy"] for run, rows in histories(folder).items()}
    for words, share in final.items():
        assert f"{100 * share:.2f} % ({words})" in sentence
    higher, lower = sorted(final, key=lambda words: -final[words])
    points = 100 * (final[higher] - final[lower])
    assert points > 0
    assert sentence.startswith(
        f"The network {higher} ends {points:.2f} points higher than the one {lower}: after 6 epochs"
    )


def test_the_epoch_is_chosen_by_keyboard_and_all_follows(figures: Page, folder: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    press(figures, "#epoch", Keys.HOME)
    assert figures.find("#epoch").get_attribute("aria-valuetext") == "untrained"
    assert [row[1] for row in cells(figures)] == ["–", "–"]
    press(figures, "#epoch", Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    rows = [history[1] for history in histories(folder).values()]
    assert [row[1] for row in cells(figures)] == [
        f"{100 * row['test_accuracy']:.2f}" for row in rows
    ]
    label = figures.find("#descent-1").get_attribute("aria-label").replace("−", "-")
    assert f"After epoch 2: wx {rows[1]['wx']:.6g}" in label
    figures.ask("await new Promise((done) => setTimeout(done, 300));")
    assert figures.driver.current_url.endswith("#epoch=2")


def test_play_runs_to_the_last_epoch_and_can_be_stopped(figures: Page) -> None:
    play = figures.find("#epoch-play")
    play.click()
    assert (play.text, figures.ask("return page.get('epoch');")) == ("Pause", 0)
    figures.ask("while (page.get('epoch') < 2) await new Promise((done) => setTimeout(done, 50));")
    play.click()
    stopped = figures.ask("""
        const at = page.get("epoch");
        await new Promise((done) => setTimeout(done, 600));
        return [at, page.get("epoch")];
    """)
    assert stopped[0] == stopped[1]
    assert play.text == "Play"


def label(page: Page, selector: str = "#result-accuracy") -> str:
    return str(page.find(selector).get_attribute("aria-label"))


def test_a_chart_is_zoomed_by_dragging_and_by_keys(figures: Page, folder: Path) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    ends = {run: 100 * rows[-1]["test_accuracy"] for run, rows in histories(folder).items()}
    assert label(figures) == (
        "Accuracy on test digits (%) by epochs trained, 1 to 6. Last values: "
        f"without BN {ends['no-bn']:.4g}, with BN {ends['bn']:.4g}."
    )
    canvas = figures.find("#result-accuracy")
    ActionChains(figures.driver).move_to_element_with_offset(
        canvas, -60, 0
    ).click_and_hold().move_by_offset(150, 0).release().perform()
    drawn(figures)
    low, high = (
        float(x) for x in re.findall(r"trained, ([\d.]+) to ([\d.]+)\.", label(figures))[0]
    )
    assert 1 < low < high < 6
    ActionChains(figures.driver).double_click(canvas).perform()
    drawn(figures)
    assert "trained, 1 to 6." in label(figures)
    press(figures, "#result-accuracy", "+")
    assert "trained, 1 to 6." not in label(figures)
    press(figures, "#result-accuracy", Keys.ESCAPE)
    assert "trained, 1 to 6." in label(figures)


def test_a_chart_tells_the_values_by_keys_and_enter_goes_there(figures: Page, folder: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    press(figures, "#result-loss", Keys.HOME, Keys.ARROW_RIGHT)
    said = figures.ask("return document.querySelector('#result-loss + span').textContent;")
    loss = {run: rows[1]["test_loss"] for run, rows in histories(folder).items()}
    assert said.startswith("epochs trained 2, without BN ")
    numbers = [float(x) for x in re.findall(r"BN ([\d.]+)", said)]
    assert numbers == pytest.approx([loss["no-bn"], loss["bn"]], rel=1e-3)
    press(figures, "#result-loss", Keys.ENTER)
    assert figures.ask("return page.get('epoch');") == 2
    figures.ask("document.getElementById('result-of').value = 'train';"
        "document.getElementById('result-of').dispatchEvent(new Event('change'));")  # fmt: skip
    drawn(figures)
    last = histories(folder)["bn"][-1]["train_loss"]
    assert f"with BN {last:.4g}" in label(figures, "#result-loss")


def specified(**chosen: str) -> dict[int, dict[str, str]]:
    """Each claim's row of the committed multiverse; a choice it lacks is its first row's."""
    with (CLAIMS / "multiverse.csv").open() as file:
        rows = list(csv.DictReader(file))
    found = {}
    for claim in {int(row["id"]) for row in rows}:
        own = [row for row in rows if int(row["id"]) == claim]
        for key, value in chosen.items():
            there = value if any(row[key] == value for row in own) else own[0][key]
            own = [row for row in own if row[key] == there]
        [found[claim]] = own
    return found


@pytest.mark.parametrize("chosen", [
    {"test": "bootstrap", "correction": "none", "epoch": "last epoch", "seeds": "first half"},
    {
        "test": "sign-flip", "correction": "Benjamini-Hochberg", "epoch": "best",
        "seeds": "first half",
    },
    {"test": "median", "correction": "Holm", "epoch": "best", "seeds": "all"},
])  # fmt: skip
def test_an_analysis_has_the_verdicts_of_the_multiverse(
    figures: Page, chosen: dict[str, str]
) -> None:
    from selenium.webdriver.support.ui import Select

    figures.find("#claims-other").click()
    for key, value in chosen.items():
        Select(figures.find(f"#claims-{key}")).select_by_value(value)
    rows = specified(diverged="as 10 %", **chosen)
    ledger = json.loads((CLAIMS / "claims.json").read_text())["claims"]
    changed = sum(rows[each["id"]]["verdict"] != each["verdict"] for each in ledger)
    for claim, row in rows.items():
        text = figures.find(f"#claim-{claim} summary").text.replace("−", "-")
        assert f"{row['verdict']}, n = {row['n']}" in text
        assert f"{float(row['effect']):+.3g}" in text
    assert f"{changed} of the ledger's verdicts change" in figures.find("#claims-sum").text
    assert changed > 0


def test_a_link_holds_the_analysis(figures: Page) -> None:
    figures.open(
        "claims.other=true&claims.test=bootstrap&claims.correction=none&claims.seeds=nonsense"
    )
    row = specified(
        test="bootstrap", correction="none", epoch="as the rule", diverged="as 10 %", seeds="all"
    )[3]
    assert f"{row['verdict']}, n = {row['n']}" in figures.find("#claim-3 summary").text
    assert figures.find("#claims-seeds").get_attribute("value") == "all"


def test_a_claim_opens_by_keyboard_with_source_rule_and_seeds(figures: Page) -> None:
    from selenium.webdriver.common.keys import Keys

    claim = json.loads((CLAIMS / "claims.json").read_text())["claims"][1]
    seeds = claim["effects"][0]["seeds"]  # one after the other
    press(figures, "#claim-3 summary", Keys.ENTER)
    text = figures.find("#claim-3").text
    for part in (
        claim["source"],
        claim["statement"],
        claim["method"],
        claim["rule"],
        f"seeds {seeds[0]} to {seeds[-1]}",
    ):
        assert part in text, part


def test_a_hostile_title_is_text(figures: Page) -> None:
    assert HOSTILE in figures.find("#claim-1 summary").text
    assert figures.ask("return document.querySelectorAll('main img').length;") == 0
    assert figures.driver.title != "broken"


def planes(folder: Path, name: str) -> list[dict[str, str]]:
    [file] = folder.glob(f"*/landscape/{name}.csv")
    with file.open() as rows:
        return list(csv.DictReader(rows))


@pytest.mark.parametrize("statistics", ["batch", "running", "reestimated"])
def test_the_surface_has_the_losses_of_each_statistics(
    figures: Page, folder: Path, statistics: str
) -> None:
    from selenium.webdriver import ActionChains

    figures.open(f"surface.result=around&surface.statistics={statistics}")
    drawn(figures)
    canvas = figures.find("#surface-1")
    own = [
        row
        for row in planes(folder, "around")
        if (row["run"], row["statistics"]) == ("bn", statistics)
    ]
    low, high = (of(float(row["loss"]) for row in own) for of in (min, max))
    assert f"Loss {low:.3g} to {high:.3g} nats at 25 points" in label(figures, "#surface-1")
    ActionChains(figures.driver).move_to_element_with_offset(canvas, 0, 20).perform()
    drawn(figures)
    said = figures.ask("return document.querySelector('#surface-1 + p').textContent;")
    x, y, loss = (float(x) for x in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", said))
    [there] = [row for row in own if (float(row["x"]), float(row["y"])) == (x, y)]
    assert loss == pytest.approx(float(there["loss"]), rel=1e-3)


def test_solids_turn_by_keys_and_by_dragging(figures: Page) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    for name in ("#descent-0", "#surface-0"):
        picture = "return document.querySelector(args[0]).toDataURL();"
        seen = [figures.ask(picture, name)]
        press(figures, name, Keys.ARROW_LEFT)
        seen.append(figures.ask(picture, name))
        ActionChains(figures.driver).drag_and_drop_by_offset(figures.find(name), 30, 10).perform()
        seen.append(figures.ask(picture, name))
        assert len(set(seen)) == 3


def test_what_is_not_there_is_said(page: Page, folder: Path) -> None:
    assert "hindi-bn claims run" in page.find("#claims").text
    assert "hindi-bn landscape surface" in page.find("#surface").text
    study = tiny_study(stream="paired", numerics="engine", recordings=(), name="bare")
    records = hindi_bn.train(study, digits=tiny_digits(), out=folder)
    file = hindi_bn.build_page(
        records, folder / "bare.html", train=10, test=10, out=folder / "none"
    )
    bare = Page(page.driver, file)
    assert "have not recorded two weights" in bare.find("#descent").text
    assert bare.ask("return document.querySelectorAll('#descent canvas').length;") == 0


def test_a_chart_says_nothing_of_a_series_that_has_no_point_there(figures: Page) -> None:
    from selenium.webdriver.common.keys import Keys

    figures.ask("""
        const canvas = page.el("canvas", {id: "sparse"});
        page.section("result").append(canvas);
        const all = [...Array(31).keys()].map((x) => [x, x]);
        new page.Chart(canvas, {x: "step", y: "height", series: [
          {name: "all", colour: "#000000", points: all},
          {name: "few", colour: "#000000", points: [[0, 7], [1, null], [29.5, undefined], [30, 9]]},
        ]});
    """)
    drawn(figures)
    said = []
    for keys in (
        [Keys.HOME],
        [Keys.ARROW_RIGHT],
        [Keys.ARROW_RIGHT],
        [Keys.END],
        [Keys.ARROW_LEFT],
    ):
        press(figures, "#sparse", *keys)
        said.append(figures.ask("return document.querySelector('#sparse + span').textContent;"))
    assert said == [
        "step 0, all 0, few 7", "step 1, all 1, few no number", "step 2, all 2",
        "step 30, all 30, few 9", "step 29, all 29",
    ]  # fmt: skip
