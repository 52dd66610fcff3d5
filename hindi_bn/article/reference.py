"""Whether a recorded run is one of the article's, so that published numbers may stand beside it."""

from typing import Any

from hindi_bn.records import Record
from hindi_bn.study.files import load_study
from hindi_bn.training.run import recorded_settings, settings_of


def is_published(record: Record) -> bool:
    """Tell whether a run repeats a run of the article: same data, stream and settings.

    The number of epochs may differ: a shorter run gives the first of the published epochs. So may
    the recordings, which leave no trace in a run.
    """
    article, name = load_study("article"), record.run.name
    if record.study.stream != article.stream or name not in {run.name for run in article.runs}:
        return False
    published, data = article.run(name), record.environment["data"]
    if record.run.recorded_pair() not in (None, published.recorded_pair()):
        return False
    ours, theirs = recorded_settings(record), settings_of(article, published, data["sha256"])
    return bool(data["identical"]) and _shared(ours) == _shared(theirs)


def _shared(settings: dict[str, Any]) -> dict[str, Any]:
    """Leave out what may differ."""
    own = {"epochs", "recordings"}
    return settings | {"run": {k: v for k, v in settings["run"].items() if k not in own}}
