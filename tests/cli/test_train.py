"""The commands that train and show results, on a tiny data set put in place of the digits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from tiny import tiny_digits
from typer.testing import CliRunner, Result

import hindi_bn.digits
from hindi_bn.cli import app
from hindi_bn.digits import Digits
from hindi_bn.digits.own_images import prepare
from hindi_bn.records import RunFolder
from hindi_bn.study import norm_names
from hindi_bn.training.run import load_network

TINY = ["--set", "epochs=2", "--threads", "1", "--device", "cpu"]


@pytest.fixture(autouse=True)
def _tiny_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hindi_bn.digits, "load", lambda *_, **__: tiny_digits())
    monkeypatch.setattr(hindi_bn.digits, "resolve", lambda *_, **__: tiny_digits())


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result


def test_train_bn_trains_that_run_alone() -> None:
    result = run("train", "--bn", *TINY)
    assert Path("results/article/bn/weights.safetensors").exists()
    assert not Path("results/article/no-bn").exists()
    assert "bn: test accuracy" in result.stdout
    assert "epoch 2/2" in result.stderr
    assert "\r" not in result.stderr


def test_epochs_of_a_chosen_run_leave_the_stream_at_its_place() -> None:
    """With --bn the other model keeps its 30 epochs in the stream; without --bn it does not."""
    run("train", "--bn", "--epochs", "1", "--threads", "1", "--out", "alone")
    settings = Path("alone/article/bn/run.yaml").read_text()
    assert settings.count("epochs: 30") == 1
    assert settings.count("epochs: 1\n") == 1
    run("train", "--epochs", "1", "--threads", "1", "--out", "both")
    losses = [
        pd.read_csv(f"{out}/article/bn/history.csv")["train_loss"][0] for out in ("alone", "both")
    ]
    assert losses[0] != losses[1]


def test_train_json_is_one_document_of_all_runs() -> None:
    result = run("train", *TINY, "--json", "--quiet")
    assert result.stderr == ""
    outcomes = json.loads(result.stdout)
    assert [outcome["run"] for outcome in outcomes] == ["no-bn", "bn"]
    for outcome in outcomes:
        history = pd.read_csv(Path(outcome["folder"]) / "history.csv")
        assert outcome["epochs"] == 2
        assert outcome["final"]["wx"] == history["wx"].iloc[-1]
        assert outcome["best_test_accuracy"] == history["test_accuracy"].max()


def test_every_flag_reaches_the_record() -> None:
    run(
        "train", "--no-bn", "--epochs", "1", "--seed", "7", "--batch-size", "16", "--lr", "0.02",
        "--device", "cpu", "--threads", "1", "--set", "scaling=half", "--out", "elsewhere",
    )  # fmt: skip
    text = Path("elsewhere/article/no-bn/run.yaml").read_text()
    for line in ("seed: 7", "batch_size: 16", "lr: 0.02", "device: cpu", "scaling: half"):
        assert line in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "--config", "nowhere"], "no study 'nowhere'"),
        (["train", "--set", "lr"], "KEY=VALUE"),
        (["train", "--set", "lrr=1"], "Did you mean 'lr'?"),
        (["train", "--epochs", "0"], "epochs"),
        (["compare", "results/one"], "cannot be compared"),
        (["compare", "results/one", "results/two"], "not a run's folder"),
        (["plot-descent"], "not a run's folder"),
        (["predict", "nothing.png", "--run", "nowhere"], "not a run's folder"),
    ],
)
def test_expected_errors_say_what_why_and_next_with_exit_code_1(
    arguments: list[str], said: str
) -> None:
    result = run(*arguments, code=1)
    assert said in result.stderr
    assert "Next: " in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_any_norm_takes_the_place_of_the_run_with_batch_norm() -> None:
    """The same place in the stream gives the same first weights; groups of 16 are layer norm."""
    run("train", "--norm", "group", "--set", "norm.groups=1", *TINY)
    run("train", "--norm", "layer", *TINY)
    losses = [
        pd.read_csv(f"results/article/{name}/history.csv")["train_loss"].tolist()
        for name in ("group", "layer")
    ]
    assert losses[0] == losses[1]
    settings = Path("results/article/group/run.yaml").read_text()
    assert "run: group" in settings
    assert settings.count("epochs: 30") == 1


def test_a_study_without_such_a_run_lends_its_last_one(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("name: own\nruns: [{name: plain, norm: none}]\n")
    run("train", "--bn", "--config", str(file), *TINY)
    assert Path("results/own/batch/weights.safetensors").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--nonsense"],
        ["train", "--bn", "--norm", "layer"],
        ["train", "--device", "tpu"],
        ["train", "--epochs", "x"],
        ["no"],
    ],
)
def test_usage_errors_have_exit_code_2(arguments: list[str]) -> None:
    result = run(*arguments, code=2)
    assert result.stderr.startswith("Usage: ")
    assert result.stdout == ""


def test_debug_shows_where_an_error_comes_from() -> None:
    result = CliRunner().invoke(app, ["--debug", "train", "--config", "nowhere"])
    assert type(result.exception).__name__ == "StudyError"


def test_an_existing_run_is_refused_resumed_or_replaced() -> None:
    run("train", "--bn", *TINY)
    refused = run("train", "--bn", *TINY, code=1)
    assert "--resume" in refused.stderr
    assert "--overwrite" in refused.stderr
    assert "nothing to resume" in run("train", "--bn", *TINY, "--resume").stderr
    run("train", "--bn", *TINY, "--overwrite")


def test_ctrl_c_saves_says_how_to_go_on_and_exits_130(monkeypatch: pytest.MonkeyPatch) -> None:
    from hindi_bn.training import loop

    original, calls = loop.evaluate, []

    def press(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "evaluate", press)
        result = run("train", "--bn", *TINY, code=130)
    assert "1 of 2 epochs" in result.stderr
    assert "--resume" in result.stderr
    assert len(pd.read_csv("results/article/bn/history.csv")) == 1
    run("train", "--bn", *TINY, "--resume")
    assert len(pd.read_csv("results/article/bn/history.csv")) == 2


def test_divergence_is_told_and_exits_1() -> None:
    result = run("train", "--no-bn", *TINY, "--lr", "1e20", code=1)
    assert "no longer finite (epoch 0, step 1)" in result.stderr
    assert "lower learning rate" in result.stderr


@pytest.mark.usefixtures("unrendered")
def test_compare_trains_what_is_missing_and_writes_everything() -> None:
    run("train", "--no-bn", *TINY)
    result = run("compare", *TINY)
    folder = Path("results/article/comparison")
    for name in (
        "accuracy.png", "loss.png", "confusion.png", "summary.csv", "per_class.csv",
        "confusion.csv", "comparison.json", "comparison.md", "bn.history.csv",
        "bn.environment.json",
    ):  # fmt: skip
        assert (folder / name).stat().st_size > 0, name
    assert "no-bn is finished" in result.stderr
    assert "No published numbers stand beside these" in result.stdout
    assert not (folder / "published.csv").exists()
    summary = pd.read_csv(folder / "summary.csv").set_index("run")
    history = pd.read_csv("results/article/bn/history.csv")
    assert summary.loc["bn", "final_test_accuracy"] == history["test_accuracy"].iloc[-1]


@pytest.mark.usefixtures("unrendered")
def test_compare_takes_run_folders_and_prints_json() -> None:
    run("train", *TINY)
    run("train", "--bn", *TINY, "--config", "quick", "--set", "runs.bn.name=other")
    result = run(
        "compare", "results/article/bn", "results/quick/other", "--json", "--format", "svg"
    )
    document = json.loads(result.stdout)
    assert document["runs"] == ["bn", "other"]
    assert document["published_compared"] is False
    assert Path("results/comparison/accuracy.svg").exists()
    same = run("compare", "results/article/bn", "results/article/bn", code=1)
    assert "same name" in same.stderr
    assert "LABEL=DIR" in same.stderr


@pytest.mark.usefixtures("unrendered")
def test_labels_say_what_tables_and_figures_call_the_runs() -> None:
    labels = ["--labels", "no-bn=without it", "--labels", "bn=with it"]
    document = json.loads(run("compare", *TINY, *labels, "--json").stdout)
    assert document["runs"] == ["without it", "with it"]
    assert Path("results/article/comparison/with it.history.csv").exists()
    folders = ["results/article/no-bn", "results/article/bn"]
    document = json.loads(run("compare", *folders, *labels[2:], "--json", "--to", "x").stdout)
    assert document["runs"] == ["no-bn", "with it"]
    run("plot-descent", *labels)
    assert Path("results/article/comparison/descent-with it.png").exists()
    for wrong in ("bm=with it", "bn", "bn="):
        assert "RUN=LABEL" in " ".join(
            run("compare", *TINY, "--labels", wrong, code=2).stderr.split()
        )


@pytest.mark.usefixtures("unrendered")
def test_repeats_of_a_run_are_told_apart_by_their_paths_or_labels() -> None:
    run("train", *TINY)
    run("train", "--bn", *TINY, "--out", "results/again", "--set", "runs.bn.epochs=1")
    folders = ["results/article/no-bn", "results/article/bn", "results/again/article/bn"]
    result = run("compare", *folders, "--json", "--to", "paths")
    document = json.loads(result.stdout)
    assert document["runs"] == ["no-bn", "bn-results", "bn-again"]
    assert Path("paths/bn-again.history.csv").exists()
    note = "without BN 2, bn-results 2, bn-again 1): here all are compared after 1 epoch."
    sentences = document["findings"][0]["sentences"]
    assert note in sentences[0]
    first = pd.read_csv("results/article/bn/history.csv")["test_accuracy"][0]
    assert sentences[2] == f"bn-results: {100 * first:.2f} % after 1 epoch."
    named = [f"the first={folders[1]}", f"warm-up={folders[2]}"]
    labelled = run("compare", *named, "--to", "labels")
    assert "warm-up" in labelled.stdout
    assert Path("labels/the first.history.csv").exists()
    assert "cannot be called '../x'" in run("compare", f"../x={folders[0]}", *named, code=1).stderr
    run("plot", "curves", *named, "--to", "curves")
    assert Path("curves/curves.png").exists()


@pytest.mark.usefixtures("unrendered")
def test_findings_of_the_article_stand_beside_its_study_alone() -> None:
    ours = run("compare", *TINY).stdout
    assert "Finding 3 of the article" in ours
    assert "last 1 epochs" not in run("compare", *TINY, "--set", "epochs=1", "--out", "one").stdout
    other = run("compare", "-c", "mlp", *TINY).stdout
    assert "Finding" not in other
    assert "Test accuracy" in other
    assert "Finding" not in Path("results/mlp/comparison/comparison.md").read_text()


def test_any_network_trains_from_the_command_and_from_a_file_that_names_nothing_else(
    tmp_path: Path,
) -> None:
    result = run("train", "--no-bn", "--set", "network=lenet", *TINY)
    assert "Run no-bn does not record 'pair'" in result.stderr
    assert "wx" not in pd.read_csv("results/article/no-bn/history.csv")
    (tmp_path / "own.yaml").write_text("name: own\nnetwork: lenet\nruns: [{name: a}]\n")
    run("train", "-c", "own.yaml", *TINY)


def test_runs_on_other_data_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    run("train", *TINY)
    monkeypatch.setattr(hindi_bn.digits, "load", lambda *_, **__: tiny_digits(seed=1))
    result = run("compare", "results/article/no-bn", "results/article/bn", code=1)
    assert "trained on other data" in result.stderr
    run("train", "--bn", *TINY, "--out", "other")
    mixed = run("compare", "results/article/no-bn", "other/article/bn", code=1)
    assert "trained on different data" in mixed.stderr


@pytest.mark.usefixtures("unrendered")
def test_plot_descent_draws_every_run_and_both_side_by_side() -> None:
    run("train", *TINY)
    result = run("plot-descent", "--format", "png", "--format", "pdf", "--dpi", "60")
    names = {Path(line).name for line in result.stdout.split()}
    for stem in ("descent", "descent-projected", "descent-bn", "descent-no-bn-projected"):
        assert {f"{stem}.png", f"{stem}.pdf"} <= names
    one = run("plot-descent", "results/article/bn", "--to", "here", "--quiet")
    assert one.stderr == ""
    assert Path("here/descent-bn.png").exists()


def test_plot_descent_of_a_run_without_an_epoch_is_refused() -> None:
    run("train", "--no-bn", *TINY, "--lr", "1e20", code=1)
    result = run("plot-descent", "results/article/no-bn", code=1)
    assert "has no finished epoch" in result.stderr


@pytest.mark.usefixtures("unrendered")
def test_reproduce_does_all_of_it_and_again_uses_what_is_there() -> None:
    flags = ["--set", "epochs=2", "--threads", "1"]
    result = run("reproduce", *flags)
    for finding in ("Finding 1", "Finding 2", "Finding 3"):
        assert finding in result.stdout
    assert Path("results/article/comparison/descent.png").exists()
    again = run("reproduce", *flags, "--json")
    assert again.stderr.count("nothing to resume") == 2
    assert json.loads(again.stdout)["runs"] == ["no-bn", "bn"]


def test_predict_names_the_digit_of_own_images() -> None:
    run("train", "--bn", *TINY, "--set", "epochs=20", "--lr", "0.05", "--set", "scaling=standard")
    names = []
    for digit in (0, 7):
        image = tiny_digits().test_images[digit].numpy()
        names.append(f"{digit}.png")
        Image.fromarray(image).save(names[-1])
    asked = [*names, "--run", "results/article/bn"]
    result = run("predict", *asked, "--json")
    answers = json.loads(result.stdout)
    assert [answer["image"] for answer in answers] == names
    for answer in answers:
        assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-6)
        assert answer["probability"] == max(answer["probabilities"])
        assert answer["digit"] == int(np.argmax(answer["probabilities"]))
        assert answer["prepared"]
    table = run("predict", *asked)
    assert "0.png" in table.stdout
    assert "0.png:" in table.stderr
    broken = Path("broken.png")
    broken.write_bytes(b"no image")
    assert "broken.png" in run("predict", str(broken), code=1).stderr


def test_standard_scaling_needs_the_data_that_the_run_was_trained_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Other training images have another mean, by which the own image would be scaled."""
    Image.fromarray(np.eye(40, dtype=np.uint8) * 200).save("mine.png")
    for scaling, code in (("unit", 0), ("standard", 1)):
        run("train", "--bn", *TINY, "--set", f"scaling={scaling}", "--out", scaling)
        with monkeypatch.context() as patch:
            patch.setattr(hindi_bn.digits, "load", lambda *_, **__: tiny_digits(seed=1))
            result = run("predict", "mine.png", "--run", f"{scaling}/article/bn", code=code)
        assert ("trained on other data" in result.stderr) == bool(code)


def test_doctor_tells_what_would_be_used() -> None:
    document = json.loads(run("doctor", "--json").stdout)
    assert document["versions"]["torch"] == torch.__version__.split("+")[0]
    assert document["would be used"]["device"] in {"cpu", "cuda"}
    text = run("doctor").stdout
    assert "NOT identical" in text
    assert "threads:" in text


def test_doctor_without_data_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    result = run("doctor", "--data-dir", "nowhere")
    assert "hindi-bn download" in result.stdout


@pytest.mark.slow
def test_published_numbers_stand_beside_runs_of_the_article_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pretend that the tiny data is the article's: then its numbers are compared, and differ."""
    monkeypatch.setattr(Digits, "identical", True)
    flags = ["--set", "runs.bn.epochs=2", "--threads", "1"]
    result = run("compare", *flags)
    assert "of 43 published numbers agree" in result.stdout  # 5 x 6 and the end; 2 x 6
    assert "differs" in result.stdout
    assert Path("results/article/comparison/published.csv").exists()
    other = run("compare", *flags, "--set", "lr=0.01", "--out", "elsewhere")
    assert "No published numbers stand beside these" in other.stdout
    renamed = run("compare", *flags, "--set", "runs.bn.name=bn2", "--out", "renamed")
    assert "No published numbers stand beside these" in renamed.stdout


def test_on_a_terminal_a_bar_and_a_line_an_epoch_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    run("train", "--bn", *TINY)
    result = run("train", "--bn", *TINY, "--resume")
    assert "nothing to resume" in result.stderr
    again = run("train", "--bn", *TINY, "--overwrite")
    assert "epoch 2/2" in again.stderr
    assert "step 3/3" in again.stderr


@pytest.mark.parametrize("norm", norm_names())
def test_every_norm_trains_resumes_and_predicts(norm: str) -> None:
    """The answer is that of the trained network, computed here from the saved weights."""
    flags = ["--norm", norm, *TINY]
    run("train", *flags, "--epochs", "1")
    folder = "bn" if norm == "batch" else "no-bn" if norm == "none" else norm
    assert "nothing to resume" in run("train", *flags, "--epochs", "1", "--resume").stderr
    image = np.pad(tiny_digits().test_images[3].numpy()[2:30, 2:30], 2)  # taken as it is
    Image.fromarray(image).save("digit.png")
    pixels = torch.from_numpy(prepare(Path("digit.png"))[0])
    network = load_network(RunFolder(Path("results/article") / folder).read())
    expected = network(pixels[None, None].float() / 255).softmax(1)[0]
    result = run("predict", "digit.png", "--run", f"results/article/{folder}", "--json")
    answer = json.loads(result.stdout)[0]
    others = [k for k in range(10) if k != int(expected.argmax())]
    stated = np.log(answer["probabilities"])[others] - np.log(answer["probability"])
    ones = stated / (expected / expected.max()).log().detach().numpy()[others]
    assert ones == pytest.approx(ones.mean(), rel=1e-3)  # one temperature for all of them
