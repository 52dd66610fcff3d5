"""A claim: where it stands, what is trained to test it, and the rule of its verdict.

Each claim is a file under `configs/claims/`; docs/statistics.md says how a verdict comes about.
"""

import datetime
import itertools
import re
from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from hindi_bn.errors import StudyError
from hindi_bn.study.files import configs_folder, read_yaml
from hindi_bn.study.old_names import new_claim_key
from hindi_bn.study.refusal import refusal
from hindi_bn.study.settings import NAME, Settings

Stage = Literal["smoke", "pilot", "confirm"]
STAGES: tuple[Stage, ...] = ("smoke", "pilot", "confirm")
"""A later one's result takes the place of an earlier one's."""

SOURCES = {
    "A": "the article", "D": "Dive into Deep Learning", "T": "a tutorial", "L": "the Apple book",
}  # fmt: skip
"""Sources whose statements have a number, as in docs/sources.md."""

FAMILIES = "families.yaml"
"""File beside the claims with the numbers of those that verdicts are corrected over."""

REMOVED = {
    "scales": "a sweep has one length now: put epochs under `set`; seeds are those of the stage "
    "(pilot: 5842 to 5851; confirm: as many as the claim's `confirm` says)",
}
"""Keys that files of an earlier version have, and what took their place."""


class ClaimSweep(Settings):
    """Runs that a claim is tested with; see `hindi_bn.sweeps.sweep_file.Sweep` for the keys."""

    name: str = Field(pattern=NAME, description="Name of the sweep in the claim's tests.")
    study: str | dict[str, Any] = Field(description="Study file, or its keys.")
    set: dict[str, Any] = Field(
        default_factory=dict, description="Settings of all runs, such as epochs."
    )
    grid: dict[str, list[Any]] = Field(default_factory=dict, description="What is varied.")
    exclude: tuple[dict[str, Any], ...] = Field((), description="Cells that are left out.")

    @model_validator(mode="before")
    @classmethod
    def _nothing_removed(cls, value: Any) -> Any:
        for key, instead in REMOVED.items():
            if isinstance(value, dict) and key in value:
                raise ValueError(f"the key {key} is gone: {instead}")
        return value


class Confirm(Settings):
    """The confirmatory runs of every arm, fixed before they start."""

    seeds: int = Field(ge=10, description="How many fresh seeds: 1001, 1002, ...")
    why: str = Field(description="Why so many.")


class Registered(Settings):
    """When the rule was fixed, and what it was: see `hindi_bn.claims.rule.rule_digest`."""

    date: datetime.date
    digest: str = Field(pattern=r"^[0-9a-f]{64}$", description="sha256 of the rule.")


class Term(Settings):
    """A number per seed: a metric of one arm, or of several arms brought to one number."""

    sweep: str | None = Field(None, description="Sweep; unset: the claim's first.")
    where: dict[str, Any] = Field(
        default_factory=dict, description="Varied key and its value, or a list of values."
    )
    metric: str | None = Field(None, description="Metric; unset: the test's.")
    take: Literal["mean", "max", "min", "range", "best", "largest", "smallest", "width"] = Field(
        "mean",
        description="Of several arms: by seed their mean, largest, smallest or range; best: the "
        "arm with the highest mean over all seeds; largest, smallest: the largest or smallest "
        "value of `key` (as a power of ten) whose metric is at least `at_least`, one grid step "
        "beyond those tried where that lies outside them; width: the powers of ten between.",
    )
    key: str | None = Field(
        None, description="For largest, smallest, width: a varied key that holds numbers."
    )
    at_least: float | None = Field(
        None, description="For largest, smallest, width: the metric that is asked for."
    )

    @property
    def seeks_an_edge(self) -> bool:
        """Whether it asks where along a key something begins or ceases to work."""
        return self.take in ("largest", "smallest", "width")

    @model_validator(mode="after")
    def _edge_is_complete(self) -> Self:
        given = [self.key is not None, self.at_least is not None]
        if given != [self.seeks_an_edge] * 2:
            raise ValueError(
                "key and at_least go with take: largest, smallest or width, and with these alone"
            )
        return self


class Contrast(Settings):
    """A difference between terms, a number per seed."""

    label: str = Field(description="What is compared, in a few words.")
    metric: str = Field(
        description="Metric of hindi_bn/stats/metrics.py, or MEASURE.VALUE of hindi_bn/measures."
    )
    plus: tuple[Term, ...] = Field(min_length=1, description="Added up.")
    minus: tuple[Term, ...] = Field((), description="Taken away.")
    unit: str = Field(
        "",
        description="Unit of the effect: points (100 times a share), doublings (the two sides "
        "compared as a ratio: 1 is twice as much), epochs, degrees, or nothing.",
    )
    missing: float | None = Field(
        None, description="What a run without this metric counts as; unset: its seed is left out."
    )

    @model_validator(mode="after")
    def _a_ratio_has_two_sides(self) -> Self:
        if self.unit == "doublings" and not self.minus:
            raise ValueError("unit: doublings compares plus with minus; minus is missing")
        return self


class Test(Contrast):
    """A comparison with the region in which the claim holds."""

    __test__ = False  # no test of pytest's

    above: float | None = Field(None, description="The claim holds where the effect is above it.")
    below: float | None = Field(None, description="The claim holds where the effect is below it.")
    least: float | None = Field(
        None,
        description="Smallest effect of interest: the number of seeds is computed for it where the "
        "pilot's effect is larger.",
    )

    @model_validator(mode="after")
    def _has_a_region(self) -> Self:
        if self.above is None and self.below is None:
            raise ValueError("above or below must say where the claim holds")
        if self.above is not None and self.below is not None and self.above >= self.below:
            raise ValueError("above must be less than below")
        low = -inf if self.above is None else self.above
        high = inf if self.below is None else self.below
        if self.least is not None and not low < self.least < high:
            raise ValueError(f"least is an effect with which the claim holds, {self.region}")
        return self

    @property
    def region(self) -> str:
        """Say where the claim holds."""
        unit = f" {self.unit}" if self.unit else ""
        if self.below is None:
            return f"above {self.above:g}{unit}"
        if self.above is None:
            return f"below {self.below:g}{unit}"
        return f"between {self.above:g} and {self.below:g}{unit}"

    @property
    def opposite(self) -> tuple[float | None, float | None]:
        """The region (above, below) of the opposite: beyond the margin, the other way.

        Of "above a" it is below -|a|, of "below b" above |b|. A region with 0 between its two ends
        states that nothing matters, which has no other way: neither end.
        """
        if self.above is None:
            assert self.below is not None
            return abs(self.below), None
        if self.below is None or self.above >= 0:
            return None, -abs(self.above)
        return (-self.below, None) if self.below <= 0 else (None, None)


class ClaimFigure(Settings):
    """The claim's figure: its kind, and which of the runs and metrics it shows."""

    kind: Literal["forest", "curves", "strip", "dose", "gap"] = "forest"
    sweep: str | None = Field(None, description="Sweep; unset: the claim's first.")
    metric: str = Field("final_test_accuracy", description="Metric of a run or of an epoch.")
    x: str | None = Field(None, description="For dose: the varied key along the axis.")
    hue: str = Field("norm", description="For dose: the varied key that colours.")
    where: dict[str, Any] = Field(default_factory=dict, description="Arms that are drawn.")


class Claim(Settings):
    """A claim of the sources about batch norm, as it is tested here."""

    id: int = Field(ge=1, description="Number.")
    name: str = Field(pattern=NAME, description="Short name, for files.")
    title: str = Field(description="The claim in a few words.")
    says: str = Field("", description="What the source says, in one sentence of our own.")
    statement: str = Field(description="The claim as it is tested.")
    source: str | tuple[str, ...] = Field(
        description="Who says so, and where; or statements of the sources by number, such as A3 or "
        "against it: A3."
    )
    method: str = Field(description="How it is tested, and what the numbers mean.")
    sweeps: tuple[ClaimSweep, ...] = Field(min_length=1, description="What is trained.")
    tests: tuple[Test, ...] = Field(min_length=1, description="All must hold.")
    besides: tuple[Contrast, ...] = Field((), description="Reported too; no verdict hangs on it.")
    figure: Annotated[
        ClaimFigure, BeforeValidator(lambda v: {"kind": v} if isinstance(v, str) else v)
    ] = Field(default_factory=ClaimFigure, description="What is drawn.")
    confirm: Confirm | None = Field(None, description="The confirmatory runs, once n is known.")
    registered: Registered | None = Field(None, description="Once the rule is fixed.")

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        known = {sweep.name for sweep in self.sweeps}
        asked = {term.sweep for test in self.comparisons for term in (*test.plus, *test.minus)}
        unknown = (asked | {self.figure.sweep}) - known - {None}
        if unknown:
            raise ValueError(f"no sweep is called {', '.join(sorted(map(str, unknown)))}")
        return self

    @property
    def slug(self) -> str:
        """Number and name, for files and records."""
        return f"{self.id:02d}-{self.name}"

    @property
    def sources(self) -> str:
        """Who says so, as text: numbered statements by the name of their source."""
        if isinstance(self.source, str):
            return self.source
        named: dict[str, list[str]] = {}
        for source in self.source:
            statement = re.fullmatch(r"(against it: )?(([ADTL])\d+)", source)
            name = f"{statement[1] or ''}{SOURCES[statement[3]]}" if statement else source
            named.setdefault(name, []).append(statement[2] if statement else source)
        return ", ".join(
            name if ids == [name] else f"{name} ({', '.join(ids)})" for name, ids in named.items()
        )

    @property
    def comparisons(self) -> tuple[Contrast, ...]:
        """The tests, and what is reported besides."""
        return (*self.tests, *self.besides)


def load_claims(folder: Path | None = None) -> list[Claim]:
    """Read all claims, in the order of their numbers; StudyError names what is wrong in a file."""
    claims = sorted(map(load_claim, claim_files(folder)), key=lambda claim: claim.id)
    for one, other in itertools.pairwise(claims):
        if one.id == other.id:
            raise StudyError(
                f"Two claims have the number {one.id}.",
                f"They are {one.name} and {other.name}.",
                "give one of them another id",
            )
    return claims


def claim_files(folder: Path | None = None) -> list[Path]:
    """Return the claims' files: of the folder, or those that come along."""
    folder = folder or configs_folder() / "claims"
    return sorted(file for file in folder.glob("*.yaml") if file.name != FAMILIES)


Families = Sequence[Sequence[int]]


def load_families(folder: Path | None = None) -> Families:
    """Return the numbers of the claims that verdicts are corrected over together, tested or not.

    StudyError when the file cannot be read, or holds no lists of numbers.
    """
    file = (folder or configs_folder() / "claims") / FAMILIES
    found = read_yaml(file).get("families")
    if not isinstance(found, list) or not all(
        isinstance(one, list) and all(isinstance(number, int) for number in one) for one in found
    ):
        raise StudyError(
            f"{file} holds no families of claims.",
            "Its key `families` is not a list of lists of numbers.",
            "write families: [[1, 2, 3], [4, 5]]",
        )
    return tuple(tuple(sorted(set(one))) for one in found)


def family_of(claim: int, families: Families) -> Sequence[int]:
    """Return the family that a claim is of; StudyError when it is of none."""
    for family in families:
        if claim in family:
            return family
    raise StudyError(
        f"Claim {claim} is in no family of claims that verdicts are corrected over.",
        f"There are {', '.join(str(number) for family in families for number in family)}.",
        f"add it to configs/claims/{FAMILIES}",
    )


def load_claim(file: Path) -> Claim:
    """Read a claim's file; StudyError names what is wrong with it."""
    try:
        return Claim.model_validate(_with_new_names(read_yaml(file)))
    except ValidationError as error:
        next_step = "correct the file; configs/claims/ has examples"
        raise refusal(error, str(file), next_step) from error


def _with_new_names(entry: Any) -> Any:
    """Return a part of a claim's file with today's names of its keys, but for its sweeps."""
    if isinstance(entry, list):
        return [_with_new_names(one) for one in entry]
    if not isinstance(entry, dict):
        return entry
    return {
        new_claim_key(key): value if key in ("sweeps", "where") else _with_new_names(value)
        for key, value in entry.items()
    }


def choose(claims: list[Claim], asked: list[str]) -> list[Claim]:
    """Return the claims asked for by number or name, or all; StudyError for an unknown one."""
    if not asked:
        return claims
    by_name = {str(claim.id): claim for claim in claims} | {claim.name: claim for claim in claims}
    for one in asked:
        if one not in by_name:
            raise StudyError(
                f"There is no claim {one!r}.",
                f"They are numbered {claims[0].id} to {claims[-1].id}."
                if claims
                else "There are none.",
                "see `hindi-bn claims` for their numbers and names",
            )
    chosen = {by_name[one].id for one in asked}
    return [claim for claim in claims if claim.id in chosen]
