"""Runs by the engine through the public face: records, recordings, resuming, refusals."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from engine.drivers import batches, digest, learner_of, network_of, run_of
from tiny import tiny_digits, tiny_study

from hindi_bn import train
from hindi_bn.engine import choice, library, numerics_of
from hindi_bn.errors import DivergedError, StudyError
from hindi_bn.records import Record
from hindi_bn.study import Study
from hindi_bn.training.run import Reporter, RunInterrupted, load_network, train_run

RUNS = ("no-bn", "bn")


def study_of(**settings: Any) -> Study:
    return tiny_study(**{"numerics": "engine", "batch_size": 16, **settings})


def trained(out: Path, study: Study, **more: Any) -> dict[str, Record]:
    return {r.run.name: r for r in train(study, digits=tiny_digits(), out=out, **more)}


def test_a_run_is_as_exact_but_for_rounding_and_says_what_trained_it(tmp_path: Path) -> None:
    engine = trained(tmp_path / "engine", study_of(lr=0.01))
    exact = trained(tmp_path / "exact", study_of(lr=0.01, numerics="exact"))
    for name in RUNS:
        ours, theirs = engine[name].history, exact[name].history
        assert list(ours) == list(theirs)  # wx and wy too
        for column in ("train_loss", "test_loss", "wx", "wy"):
            np.testing.assert_allclose(ours[column], theirs[column], rtol=1e-4, atol=1e-6)
        described = engine[name].environment
        assert described["numerics"] == "engine"
        assert described["engine"]["lanes"] in {4, 8, 16}
        assert len(described["engine"]["source"]) == 64
        assert "engine" not in exact[name].environment
        assert exact[name].environment["numerics"] == "exact"


def test_threads_and_a_repetition_give_the_same_bits(tmp_path: Path) -> None:
    once = trained(tmp_path / "1", study_of())
    twice = trained(tmp_path / "2", study_of(threads=2))
    for name in RUNS:
        assert digest(load_network(once[name])) == digest(load_network(twice[name]))
        both = [r[name].history.drop(columns="seconds") for r in (once, twice)]
        pd.testing.assert_frame_equal(*both, check_exact=True)


RECORDED = [
    {"kind": "weights", "every": 2}, {"kind": "gradients", "every": 1}, {"kind": "losses"},
    {"kind": "activations", "per_class": 3}, {"kind": "statistics"},
]  # fmt: skip


def test_recordings_are_those_of_exact_but_for_rounding(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"recordings": RECORDED, "momentum": 0.5}
    ours = trained(tmp_path / "engine", study_of(**settings))["bn"]
    theirs = trained(tmp_path / "exact", study_of(**settings, numerics="exact"))["bn"]
    captures = [pd.read_csv(record.folder / "captures.csv") for record in (ours, theirs)]
    assert len(captures[0]) > 100
    kinds = [column for column in captures[0] if column != "value"]
    pd.testing.assert_frame_equal(captures[0][kinds], captures[1][kinds])
    hidden = (captures[0]["quantity"] == "bias") & captures[0]["layer"].isin({"0", "3", "6"})
    left = hidden & (captures[0].iloc[:, 0] == "gradients")  # 0 here, rounding there
    assert (captures[0]["value"][left] == 0).all()
    np.testing.assert_allclose(
        captures[0]["value"][~left], captures[1]["value"][~left], rtol=2e-3, atol=2e-5
    )


def test_recordings_leave_no_trace(tmp_path: Path) -> None:
    plain = trained(tmp_path / "plain", study_of())
    watched = trained(tmp_path / "watched", study_of(recordings=RECORDED))
    for name in RUNS:
        assert digest(load_network(plain[name])) == digest(load_network(watched[name]))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_an_interrupted_run_resumes_to_the_same_bits(tmp_path: Path, momentum: float) -> None:
    study, digits = study_of(epochs=3, momentum=momentum), tiny_digits()

    def press(row: Any) -> None:
        if row.epoch == 1:
            raise KeyboardInterrupt

    whole = trained(tmp_path / "whole", study)["bn"]
    with pytest.raises(RunInterrupted):
        train_run(study, "bn", digits, tmp_path / "two", reporter=Reporter(epoch=press))
    resumed = train_run(study, "bn", digits, tmp_path / "two", resume=True)
    assert digest(load_network(resumed)) == digest(load_network(whole))
    assert list(resumed.history["test_loss"]) == list(whole.history["test_loss"])


def test_a_run_by_exact_is_not_resumed_by_the_engine(tmp_path: Path) -> None:
    digits = tiny_digits()
    with pytest.raises(RunInterrupted):
        train_run(
            study_of(numerics="exact"), "bn", digits, tmp_path, reporter=Reporter(epoch=_stop)
        )
    with pytest.raises(StudyError.__base__, match="numerics was 'exact', now 'engine'"):
        train_run(study_of(), "bn", digits, tmp_path, resume=True)


def _stop(row: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("name", RUNS)
def test_divergence_is_seen_at_the_step_where_exact_sees_it(tmp_path: Path, name: str) -> None:
    found = []
    for numerics in ("exact", "engine"):
        with pytest.raises(DivergedError) as caught:
            train_run(
                study_of(lr=1e20, numerics=numerics, epochs=3), name, tiny_digits(),
                tmp_path / numerics,
            )  # fmt: skip
        found.append((caught.value.epoch, caught.value.step))
    assert found[0] == found[1]


@pytest.mark.parametrize("place", [0, 500, 1023])
@pytest.mark.parametrize("norm", ["none", "batch", "group"])
def test_one_nan_among_the_pixels_is_not_swallowed(norm: str, place: int) -> None:
    run = run_of(norm=norm)
    ((images, labels),) = batches([4])
    images[1].view(-1)[place] = float("nan")
    learner = learner_of(run, network_of(run))
    assert np.isnan(learner.evaluate(images, labels, 32)[0])
    assert np.isnan(learner.step(images, labels)[0])


def test_a_label_that_is_no_digit_gives_no_loss() -> None:
    run = run_of()
    images, _ = batches([3])[0]
    learner = learner_of(run, network_of(run))
    for wrong in (10, -1, 2**40):
        assert np.isnan(learner.step(images, torch.tensor([1, wrong, 2]))[0])


def test_images_that_do_not_fit_are_refused() -> None:
    run = run_of(batch_size=4, test_batch_size=4)
    learner = learner_of(run, network_of(run))
    ((images, labels),) = batches([5])
    for wrong, expected in (
        ((images, labels), "expected up to 4 images"),
        ((images[:4, :, :30], labels[:4]), "got"),
        ((images[:3], labels[:4]), "got"),
        ((images[:0], labels[:0]), "got"),
        ((images[:4].double(), labels[:4]), "float32"),
        ((images[:4], labels[:4].int()), "int64"),
    ):
        with pytest.raises(ValueError, match=expected):
            learner.step(*wrong)
    with pytest.raises(ValueError, match="expected up to 4"):
        learner.evaluate(images, labels, 5)
    with_gaps = images[:4].transpose(2, 3), labels.repeat_interleave(2)[:8:2]
    copies = tuple(tensor.contiguous() for tensor in with_gaps)
    assert learner.evaluate(*with_gaps, 4) == learner.evaluate(*copies, 4)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"network": "lenet"}, "network 'lenet'"),
        ({"runs__bn__norm": "batch-renorm"}, "norm 'batch-renorm'"),
        ({"options__activation": "tanh"}, "activation 'tanh'"),
        ({"options__pooling": "none"}, "pooling 'none'"),
        ({"options__width": 8}, "a width of 8 channels"),
        ({"options__convolutions": 9}, "more than 8 convolutions"),
        ({"dropout": 0.5}, "dropout"),
        ({"options__padding": "mean"}, "padding 'mean'"),
        ({"runs__bn__norm_layers": [2]}, "norms in single layers"),
        ({"halved": True}, "halved images"),
        ({"transformer": True}, "the spatial transformer"),
        ({"network": "locally_connected", "recordings": []}, "network 'locally_connected'"),
        ({"optimizer": "adam"}, "optimizer 'adam'"),
        ({"precision": "bf16"}, "precision 'bf16'"),
    ],
)
def test_what_the_engine_does_not_know_is_refused_by_name_or_left_to_fast(
    tmp_path: Path, settings: dict[str, Any], named: str
) -> None:
    with pytest.raises(StudyError) as caught:
        train_run(study_of(**settings), "bn", tiny_digits(), tmp_path)
    assert named in caught.value.what
    assert "numerics: fast" in caught.value.next_step
    assert not (tmp_path / "article").exists()
    other = study_of(**settings, numerics="auto")
    assert numerics_of(other, other.run("bn")) == "fast"


def test_auto_takes_the_engine_where_it_can_and_says_so(tmp_path: Path) -> None:
    study = study_of(numerics="auto", norm="layer")
    record = train_run(study, "bn", tiny_digits(), tmp_path / "auto")
    assert record.environment["numerics"] == "engine"
    same = train_run(study_of(norm="layer"), "bn", tiny_digits(), tmp_path / "engine")
    assert digest(load_network(record)) == digest(load_network(same))


def test_without_a_library_it_is_said_why_and_auto_takes_fast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "BUILT", tmp_path)
    library.load.cache_clear()
    study = study_of(numerics="auto")
    assert choice.numerics_of(study, study.runs[0]) == "fast"
    (tmp_path / "failure.txt").write_text("zig was not there\n", encoding="utf-8")
    with pytest.raises(StudyError) as caught:
        train_run(study_of(), "bn", tiny_digits(), tmp_path / "out")
    assert "zig was not there" in caught.value.why
    assert "numerics: fast" in caught.value.next_step
    assert not (tmp_path / "out" / "article" / "bn").exists()
    library.load.cache_clear()


def test_threads_end_with_their_learner() -> None:
    run = run_of(norm="batch")
    learner = learner_of(run, network_of(run), threads=4)
    learner.step(*batches([8])[0])
    assert sum(thread.name.startswith("engine-") for thread in threading.enumerate()) == 3
    del learner
    gc.collect()
    deadline = time.monotonic() + 10
    while any(thread.name.startswith("engine-") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


FOREVER = """
import torch
from engine.drivers import batches, learner_of, network_of, run_of
run = run_of(norm="batch", batch_size=64)
learner, (batch,) = learner_of(run, network_of(run), threads=2), batches([64])
print("ready", flush=True)
while True:
    learner.step(*batch)
"""


@pytest.mark.slow
def test_ctrl_c_ends_within_a_steps_time() -> None:
    tests = Path(__file__).parent.parent
    process = subprocess.Popen(
        [sys.executable, "-c", FOREVER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent)])},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    pressed = time.monotonic()
    _, said = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in said
    assert time.monotonic() - pressed < 5  # the interpreter's own end included
