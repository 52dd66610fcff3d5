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
    if not is_of_article(record):
        return False
    article, data = load_study("article"), record.environment["data"]
    published = article.run(record.run.name)
    if record.run.recorded_pair() not in (None, published.recorded_pair()):
        return False
    ours, theirs = recorded_settings(record), settings_of(article, published, data["sha256"])
    return bool(data["identical"]) and _shared(ours) == _shared(theirs)


def is_of_article(record: Record) -> bool:
    """Tell whether a run is one of the article's study, whatever its data, seed and epochs."""
    article, own = load_study("article"), {"epochs", "recordings"}
    alike = (run for run in article.runs if run.name == record.run.name)
    return record.study.stream == article.stream and any(
        run.model_dump(exclude=own) == record.run.model_dump(exclude=own) for run in alike
    )


def _shared(settings: dict[str, Any]) -> dict[str, Any]:
    """Leave out what may differ."""
    own = {"epochs", "recordings"}
    return settings | {"run": {k: v for k, v in settings["run"].items() if k not in own}}
