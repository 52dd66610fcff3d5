"""Runs that differ in the seed alone, as arms."""

from collections.abc import Sequence

from hindi_bn.errors import StudyError
from hindi_bn.records import Record
from hindi_bn.study.flat import flat_settings
from hindi_bn.study.words import counted


def arms_of(records: Sequence[Record]) -> list[str]:
    """Name each run's arm: by its label, its name, or what differs, as `norm=batch, lr=0.1`.

    Names are taken where each stands for settings of its own. StudyError where an arm has a seed
    twice.
    """
    settings = [{**flat_settings(each.run), "data": each.study.data} for each in records]
    keys = list(dict.fromkeys(key for each in settings for key in each if key != "recordings"))
    differing = [k for k in keys if len({repr(each[k]) for each in settings if k in each}) > 1]
    texts = [", ".join(f"{k}={each[k]}" for k in differing if k in each) for each in settings]
    names = [record.run.name for record in records]
    tell = len({*zip(names, texts, strict=True)}) == len({*names}) == len({*texts})
    arms = [
        record.label or (record.run.name if tell else text)
        for record, text in zip(records, texts, strict=True)
    ]
    seeds = [(arm, record.study.seed) for arm, record in zip(arms, records, strict=True)]
    for arm, seed in seeds:
        if (times := seeds.count((arm, seed))) > 1:
            raise StudyError(
                f"{counted(times, 'run')} of {arm!r} have the seed {seed}.",
                "Runs of an arm differ in their seed alone; counting one twice would mislead.",
                "name each run once, or tell arms apart by labels: LABEL=DIR",
            )
    return arms
