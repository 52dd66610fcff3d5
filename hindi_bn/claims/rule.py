"""A claim's rule: its digest, and the lines that are written into a claim's file.

The rule is what a verdict depends on. A run that is trained for a claim records the rule's digest,
so that a rule that changed afterwards is seen (`hindi_bn.claims.results.marked`).
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from hindi_bn.claims.claim import Claim, Stage, claim_files, load_claim
from hindi_bn.errors import StudyError
from hindi_bn.files import refused, write_text
from hindi_bn.study.files import find_study, read_yaml

PROSE_OF_TESTS = {"label", "least"}
PROSE_OF_STUDIES = {"name", "description"}


def rule_digest(claim: Claim, stage: Stage = "confirm") -> str:
    """Return the sha256 of a claim's rule: its sweeps, its tests, its number of seeds.

    Titles, sentences, labels, figures and what is reported besides do not count; a study that is
    named counts as what its file holds. Before the confirmation there is no number of seeds, so
    that of the pilot does not change when it is found.
    """
    tests = [test.model_dump(mode="json", exclude=PROSE_OF_TESTS) for test in claim.tests]
    sweeps = [
        sweep.model_dump(mode="json") | {"study": _study(sweep.study)} for sweep in claim.sweeps
    ]
    seeds = claim.confirm.seeds if claim.confirm and stage == "confirm" else None
    document = {"sweeps": sweeps, "tests": tests, "seeds": seeds}
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _study(study: str | Mapping[str, Any]) -> dict[str, Any]:
    settings = read_yaml(find_study(study)) if isinstance(study, str) else study
    return {key: value for key, value in settings.items() if key not in PROSE_OF_STUDIES}


def refuse_unregistered(claim: Claim) -> None:
    """Refuse to confirm a claim without a number of seeds or a registered rule; StudyError."""
    what = f"Claim {claim.id} ({claim.name}) cannot be confirmed yet."
    register = f"`hindi-bn claims register {claim.id}`"
    if claim.confirm is None:
        raise StudyError(
            what,
            "Its file does not say how many seeds its confirmation has.",
            f"run the pilot, then `hindi-bn claims power {claim.id} --write`, then {register}",
        )
    if claim.registered is None:
        raise StudyError(what, "Its rule is not registered.", f"register it: {register}")
    if claim.registered.digest != rule_digest(claim):
        raise StudyError(
            what,
            f"Its rule is not the one that was registered on {claim.registered.date}.",
            f"put the rule back, or register the new one: {register}",
        )


def register(claim: Claim, folder: Path | None = None) -> Claim:
    """Write date and digest of the rule into a claim's file; a rule that is there keeps its date.

    StudyError or HindiBnError when the file cannot be found or written.
    """
    digest = rule_digest(claim)
    if claim.registered is not None and claim.registered.digest == digest:
        return claim
    today = date.today().isoformat()
    return write_entry(claim, "registered", f"{{date: {today}, digest: {digest}}}", folder)


def write_entry(claim: Claim, key: str, value: str, folder: Path | None = None) -> Claim:
    """Put one key with a value in YAML into a claim's file, and leave all other text as it is.

    Returns the claim as the file now has it. StudyError when there is no such file, or it would
    then say anything else differently; HindiBnError when it cannot be written.
    """
    file = _file_of(claim, folder)
    text = file.read_text(encoding="utf-8")
    line = f"{key}: {value}\n"
    block = re.compile(rf"^{key}:.*\n?(?:(?:[ \t]*\n)*[ \t]+\S.*\n?)*", re.MULTILINE)
    if block.search(text):
        changed = block.sub(lambda found: line, text, count=1)
    else:
        changed = text.rstrip("\n") + "\n" + line
    by_hand = f"write this line by hand: {line.strip()}"
    with refused(f"The key {key} of {file} cannot be written.", by_hand, StudyError):
        expected = yaml.safe_load(text) | {key: yaml.safe_load(value)}
        if _loaded(changed) != expected:
            raise ValueError("the file would then say other things too")
    write_text(file, changed)
    return load_claim(file)


def _loaded(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


def _file_of(claim: Claim, folder: Path | None) -> Path:
    for file in sorted(claim_files(folder), key=lambda file: file.stem != claim.slug):
        if read_yaml(file).get("id") == claim.id:
            return file
    raise StudyError(
        f"There is no file of claim {claim.id}.",
        "Only a claim that has one can be written into.",
        "put it into configs/claims",
    )
