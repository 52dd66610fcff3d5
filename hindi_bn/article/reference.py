"""Whether a recorded run is one of the article's, so that published numbers may stand beside it."""

from __future__ import annotations

from typing import Any

from hindi_bn.records import Record
from hindi_bn.study.files import load_study
from hindi_bn.training.run import recorded_settings, settings_of


def is_published(record: Record) -> bool:
    """Tell whether a run repeats a run of the article: same data, stream and settings.

    The number of epochs may differ: a shorter run gives the first of the published epochs. So may
    the recordings, which leave no trace in a run.
    """
    article = load_study("article")
    if record.study.stream != article.stream or record.run.name not in {
        run.name for run in article.runs
    }:
        return False
    if record.run.recorded_pair() not in (None, article.run(record.run.name).recorded_pair()):
        return False
    data = record.environment["data"]
    reference = settings_of(article, article.run(record.run.name), data["sha256"])
    return bool(data["identical"]) and _without_own_keys(reference) == _without_own_keys(
        recorded_settings(record)
    )


def _without_own_keys(settings: dict[str, Any]) -> dict[str, Any]:
    own = {"epochs", "recordings"}
    run = {key: value for key, value in settings["run"].items() if key not in own}
    return settings | {"run": run}
