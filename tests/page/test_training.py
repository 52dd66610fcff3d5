"""Networks trained in the page: torch's draws, the engine's bits, the address."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from engine.drivers import Batch, WasmLearner, learner_of, network_of, run_of
from page.conftest import Page
from page.firefox import Firefox, firefox
from selenium.webdriver.support.ui import Select, WebDriverWait
from torch import nn

import hindi_bn
from hindi_bn.evidence.row import weights_digest
from hindi_bn.networks import build
from hindi_bn.page.digits import drawn
from hindi_bn.records import Record
from hindi_bn.training.rng import EpochRng, draw_int64

pytestmark = pytest.mark.browser

PATIENCE = 60  # seconds


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def wait(page: Page, selector: str, *starts: str) -> str:
    """Wait until a text starts with one of these; give it."""
    end = time.monotonic() + PATIENCE
    while not (text := page.find(selector).text).startswith(starts):
        assert time.monotonic() < end, f"{selector} still says {text!r}"
        time.sleep(0.02)
    return str(text)


def train(page: Page | Firefox, steps: int) -> list[str]:
    """Train so many steps; give the sha256 of both networks' weights."""
    found: list[str] = page.ask("""
        page.set({"train.steps": args[0]});
        document.getElementById("train-start").click();
        const status = document.getElementById("train-status");
        while (!status.textContent.startsWith("Made")) await new Promise((go) => setTimeout(go, 5));
        return [...document.querySelectorAll("#train p > code")].map((each) => each.textContent);
    """, steps)  # fmt: skip
    return found


def digests(page: Page) -> list[str]:
    return [each.text for each in page.driver.find_elements("css selector", "#train p > code")]


def first_batches(steps: int, size: int) -> list[Batch]:
    """The first batches that a run draws on the page's digits, from the generator as it is."""
    digits = drawn(40, 20)
    images, labels = digits.train_images.unsqueeze(1) / 255, digits.train_labels.long()
    found: list[Batch] = []
    rng = EpochRng()
    while len(found) < steps:
        found += [(images[places], labels[places]) for places in rng.begin(40).split(size)]
        rng.end()
    return found[:steps]


def by_hand(norm: str, steps: int, *, wasm: bool = False, scale: float = 1, **settings: Any) -> str:
    """The sha256 after so many steps in Python, by the native engine or by wasmtime."""
    run = run_of(norm=norm, **{"lr": 0.01, "batch_size": 32, **settings})
    network = network_of(run, seed=7)
    with torch.no_grad():
        for layer in network:
            if isinstance(layer, nn.Conv2d | nn.Linear):
                layer.weight.mul_(scale)
                layer.bias.mul_(scale)
    batches = first_batches(steps, run.batch_size)
    learner = WasmLearner(run, network) if wasm else learner_of(run, network)
    for images, labels in batches:
        learner.step(images, labels)
    if isinstance(learner, WasmLearner):
        learner.give_back()
        for name, buffer in network.named_buffers():
            if "num_batches" in name:
                buffer.fill_(steps)
    return weights_digest(network.state_dict())


def test_the_draws_are_torchs(page: Page) -> None:
    seeds = [0, 5842, 2**63 - 1]
    found = page.ask(
        """
        const sha256 = (values) => new page.Sha256().update(new Uint8Array(values.buffer)).hex();
        return args[0].map((seed) => {
          const rng = new page.rng.Rng(BigInt(seed)), uniform = new Float32Array(4000);
          rng.uniform(uniform, 0.3);
          return [sha256(uniform), String(rng.int64()), sha256(rng.permutation(1700))];
        });
    """,
        [str(seed) for seed in seeds],
    )
    for seed, (uniform, int64, order) in zip(seeds, found, strict=True):
        torch.manual_seed(seed)
        assert uniform == sha256(torch.empty(4000).uniform_(-0.3, 0.3).numpy().tobytes())
        assert int64 == str(draw_int64())
        assert order == sha256(torch.randperm(1700).int().numpy().tobytes())


@pytest.mark.parametrize("name", ["three_convs", "one_conv"])
def test_the_initial_weights_and_their_digest_are_torchs(page: Page, name: str) -> None:
    norms: list[dict[str, Any]] = [
        {"name": "none"}, {"name": "batch"}, {"name": "batch", "affine": False},
        {"name": "layer"}, {"name": "instance"}, {"name": "group", "groups": 4},
    ]  # fmt: skip
    found = page.ask("""
        return args[1].flatMap((norm) => [false, true].map((after) => {
          const {layout, counts} = page.shapeOf({convolutions: args[0], norm, after});
          const flat = page.rng.initialWeights(new page.rng.Rng(5842), layout);
          return page.weightsDigest(layout, counts, flat, 0);
        }));
    """, 3 if name == "three_convs" else 1, norms)  # fmt: skip
    expected = []
    for norm in norms:
        for placement in ("before", "after"):
            torch.manual_seed(5842)
            network = build(name, norm, placement=placement)
            expected.append(weights_digest(network.state_dict()))
    assert found == expected


def test_all_nan_have_one_digest(page: Page) -> None:
    values = torch.tensor([0x7FC00000, -0x3FFFFF, 0x7F800001, 0x3F800000], dtype=torch.int32)
    found = page.ask("""
        const flat = new Float32Array(Int32Array.from(args[0]).buffer);
        const layout = [{name: "1.bias", shape: [4], at: 0, size: 4}];
        return page.weightsDigest(layout, ["1.num_batches_tracked"], flat, 3);
    """, values.tolist())  # fmt: skip
    weights = {"1.bias": values.view(torch.float32), "1.num_batches_tracked": torch.tensor(3)}
    assert found == weights_digest(weights)


@pytest.mark.parametrize("norms", [("none", "batch"), ("layer", "group")])
def test_fifty_steps_in_both_workers_give_the_engines_bits(
    page: Page, norms: tuple[str, str]
) -> None:
    left, right = norms
    page.open(f"train.seed=7&train.lr=0.01&train.left={left}&train.right={right}")
    assert train(page, 50) == [by_hand(norm, 50) for norm in norms]


def test_firefox_gives_the_same_bits(built: Path, tmp_path: Path) -> None:
    with firefox(tmp_path) as browser:
        browser.call("WebDriver:Navigate", url=f"{built.as_uri()}#train.seed=7&train.lr=0.01")
        assert train(browser, 50) == [by_hand(norm, 50) for norm in ("none", "batch")]


def test_wasmtime_gives_the_same_bits_as_the_engine() -> None:
    assert by_hand("batch", 50, wasm=True) == by_hand("batch", 50)


def test_scale_and_batch_size_reach_the_network(page: Page) -> None:
    page.open("train.seed=7&train.lr=0.01&train.scale=0.1&train.batch=2")
    expected = [by_hand(norm, 7, scale=0.1, batch_size=2) for norm in ("none", "batch")]
    assert train(page, 7) == expected


def test_steps_one_by_one_give_what_all_at_once_give(page: Page) -> None:
    page.open("train.seed=7&train.lr=0.01")
    for number in (1, 2, 3):
        page.find("#train-step").click()
        wait(page, "#train-status", f"Made: {number} steps")
    one_by_one = digests(page)
    page.find("#train-reset").click()
    assert page.find("#train-status").text == "Nothing is trained yet."
    assert train(page, 3) == one_by_one == [by_hand(norm, 3) for norm in ("none", "batch")]


def test_two_workers_with_the_same_choices_give_the_same_weights(page: Page) -> None:
    page.open("train.seed=7&train.lr=0.01&train.left=batch")
    assert train(page, 10) == [by_hand("batch", 10)] * 2
    names = page.driver.find_elements("css selector", "#train tbody td:first-child")
    assert [name.text for name in names] == ["with BN (left)", "with BN (right)"]


def test_what_is_paused_goes_on(page: Page) -> None:
    page.open("train.seed=7&train.lr=0.01&train.steps=100000")
    page.find("#train-start").click()
    wait(page, "#train-status", "Training")
    page.find("#train-start").click()
    said = wait(page, "#train-status", "Made")
    made = int(said.split()[1].replace(",", ""))
    assert digests(page) == [by_hand(norm, made) for norm in ("none", "batch")]
    assert train(page, 5) == [by_hand(norm, made + 5) for norm in ("none", "batch")]


def shown(page: Page) -> dict[str, str]:
    names = ("lr", "batch", "scale", "seed", "left", "right", "steps")
    return {n: page.find(f"[name='train.{n}']").get_property("value") for n in names}


def test_an_experiment_is_restored_from_its_address(page: Page) -> None:
    Select(page.find("[name='train.lr']")).select_by_value("0.03")
    Select(page.find("[name='train.batch']")).select_by_value("8")
    Select(page.find("[name='train.left']")).select_by_value("group")
    before = shown(page)
    assert before | {"lr": "0.03", "batch": "8", "left": "group"} == before
    address = page.ask("return page.link()").partition("#")[2]
    page.open()
    assert shown(page) != before
    page.open(address)
    assert shown(page) == before


def test_what_an_address_cannot_say_is_not_believed(page: Page) -> None:
    usual = shown(page)
    page.open("train.lr=-1&train.batch=1e9&train.left=%3Cb%3E&train.seed=0.5&train.scale=x")
    assert shown(page) == usual


def test_presets_set_all_choices(page: Page) -> None:
    buttons = page.driver.find_elements("css selector", "#train [aria-label='Presets'] button")
    assert len(buttons) >= 4
    for button in buttons:
        button.click()
        pressed = [each.get_attribute("aria-pressed") for each in buttons]
        assert [each.text for each, on in zip(buttons, pressed, strict=True) if on == "true"] == [
            button.text
        ]
    assert shown(page)["batch"] == "2"  # the last of them: a batch of two


def test_charts_say_their_last_numbers(page: Page) -> None:
    page.open("train.seed=7&train.lr=0.01")
    train(page, 30)
    page.ask("await new Promise(requestAnimationFrame); await new Promise(requestAnimationFrame)")
    labels = page.driver.execute_script(
        "return [...document.querySelectorAll('#train canvas')].map((c) => c.ariaLabel)"
    )
    assert all(labels)
    assert sum("without BN" in label and "with BN" in label for label in labels) == 3


def test_the_heap_is_steady_over_two_thousand_steps(page: Page) -> None:
    """A browser that is busy gives some memory back only later."""

    def used() -> int:
        page.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
        return int(page.driver.execute_cdp_cmd("Runtime.getHeapUsage", {})["usedSize"])

    page.open("train.seed=7&train.lr=0.01&train.batch=1")
    train(page, 400)
    before, resident = used(), resident_bytes(page)
    train(page, 2000)
    soon = WebDriverWait(page.driver, 20)
    soon.until(lambda _: used() < before + 2**20, "the heap has grown by 1 MB")
    soon.until(lambda _: resident_bytes(page) < resident + 64 * 2**20, "memory has grown by 64 MB")


def resident_bytes(page: Page) -> int:
    """Memory of the browser's processes, the workers' with it."""
    children = {page.driver.service.process.pid}
    total, grown = 0, True
    found = {int(each.name): each for each in Path("/proc").iterdir() if each.name.isdigit()}
    while grown:
        grown = False
        for pid, folder in found.items():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent in children and pid not in children:
                children.add(pid)
                grown = True
    for pid in children:
        try:
            total += int((found[pid] / "statm").read_text().split()[1]) * 4096
        except (KeyError, OSError):
            continue
    return total


@pytest.mark.slow
def test_presets_show_what_they_say(browser: Any, runs: list[Record], tmp_path: Path) -> None:
    """At chance is a tenth of the test digits."""
    page = Page(browser, hindi_bn.build_page(runs, tmp_path / "p.html", out=tmp_path))
    buttons = page.driver.find_elements("css selector", "#train [aria-label='Presets'] button")
    for button in buttons:
        if "fail" not in button.text:
            continue
        button.click()
        train(page, 150)
        cells = page.driver.find_elements("css selector", "#train tbody td:nth-child(3)")
        without, with_bn = (float(cell.text.removesuffix(" %")) for cell in cells)
        assert without < 15
        assert (with_bn > 50) == button.text.startswith("no BN fails")
