"""A study's recordings: what is refused, `--set`, and the published numbers beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hindi_bn.article.reference import is_published
from hindi_bn.digits.checksums import ARTICLE
from hindi_bn.errors import StudyError
from hindi_bn.networks import build_run, last_convolution
from hindi_bn.records import Record
from hindi_bn.study import network_names
from hindi_bn.study.files import load_study
from hindi_bn.training.recordings.activations import Activations


@pytest.mark.parametrize(
    ("recordings", "said"),
    [
        (["gradient"], "Did you mean 'gradients'"),
        ([{"kind": "gradients", "evry": 1}], "recordings.0.evry"),
        ([{"kind": "gradients", "evry": 1}], "Unknown key of 'gradients'. Did you mean 'every'"),
        ([{"kind": "gradients", "every": 0}], "whole number of steps"),
        ([{"kind": "gradients", "every": True}], "whole number of steps"),
        ([{"kind": "gradients", "every": "week"}], "must be 'epoch'"),
        ([{"name": "x"}], "mapping with the key 'kind'"),
        ([3], "mapping with the key 'kind'"),
        (["gradients", "gradients"], "two recordings have the same name"),
        ([{"kind": "gradients", "name": "a,b"}], "letters, digits, dots"),
        ([{"kind": "activations", "mode": "both"}], "'both' is none of eval, train"),
        ([{"kind": "weight", "name": "a", "index": [0]}], "recordings.0.layer"),
        ("gradients", "recordings"),
    ],
)
def test_wrong_recordings_are_named_by_key(recordings: Any, said: str) -> None:
    with pytest.raises(StudyError) as caught:
        load_study("article", {"recordings": recordings})
    assert said in str(caught.value)


def test_set_reaches_single_recordings_by_name_and_place() -> None:
    changes = {"gradients.every": 7, "2.mode": "train", "wx.layer": "0"}
    study = load_study("recordings", {f"recordings.{key}": value for key, value in changes.items()})
    by_name = {capture.name: capture for capture in study.run("bn").recordings}
    assert by_name["gradients"].every == 7
    assert isinstance(by_name["activations"], Activations)
    assert by_name["activations"].mode == "train"
    assert by_name["wx"].layer == "0"  # type: ignore[union-attr]
    short = {"recordings": ["statistics"], "recordings.statistics.every": 3}
    assert load_study("article", short).run("bn").recordings[0].every == 3
    with pytest.raises(StudyError, match=r"no entry 'gradient' in recordings(.|\n)*'gradients'"):
        load_study("recordings", {"recordings.gradient.every": 7})


def test_a_run_with_recordings_still_stands_beside_the_published_numbers() -> None:
    environment = {"data": {"identical": True, "sha256": dict(ARTICLE.digests)}}
    history = pd.DataFrame()
    for captures, published in (([], True), (["gradients"], True)):
        study = load_study("article", {"recordings": captures})
        record = Record(Path(), study, study.run("bn"), history, environment)
        assert is_published(record) == published
    other = load_study("article", {"lr": 0.1})
    assert not is_published(Record(Path(), other, other.run("bn"), history, environment))


@pytest.mark.parametrize("network", network_names())
@pytest.mark.parametrize("config", ["article", "recordings"])
def test_recordings_of_weights_that_another_network_lacks_are_left_away(
    config: str, network: str, caplog: pytest.LogCaptureFixture
) -> None:
    study = load_study(config, {"network": network})
    for run in study.runs:
        built = build_run(run)
        for recording in run.recordings:
            if recording.kind in {"pair", "weight"}:
                layer = str(recording.layer)  # type: ignore[attr-defined]
                place = last_convolution(built) if layer == "last-conv" else layer
                shape = built.get_submodule(place).weight.shape
                for key in {"wx", "wy", "index"} & {*recording.model_dump()}:
                    assert len(shape) == len(getattr(recording, key))
    left = network not in {"three_convs"}
    assert ("does not record" in caplog.text) <= left


def test_recordings_are_left_away_only_with_another_network_and_if_they_came_along() -> None:
    kinds = [each.kind for each in load_study("recordings", {"network": "mlp"}).runs[0].recordings]
    assert kinds == ["gradients", "statistics", "activations"]
    asked = {"network": "mlp", "recordings": [{"kind": "pair", "wx": [0, 0], "wy": [0, 1]}]}
    assert load_study("article", asked).run("bn").recorded_pair()
    moved = load_study("article", {"norm": "layer"})  # the layers of no-bn have other numbers now
    assert [bool(run.recorded_pair()) for run in moved.runs] == [False, True]
    wrong = load_study("article", {"recordings.pair.layer": "99"})
    assert wrong.run("bn").recorded_pair()  # refused when it is trained
