"""`make faults`: run the campaign for some minutes, print its table, and write it where told."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from faults import flips, hostile, kills, quotas
from faults.campaign import Campaign, carry_out_all, shuffled
from faults.table import Outcome, into_document, table, write_json
from faults.workplace import Workplace, workplace


def main() -> int:
    began = time.monotonic()
    arguments = parse()
    with workplace() as place:
        flips.leave_unfinished(place)
        campaign = plan(place, arguments.seed, arguments.minutes)
        print(f"{len(campaign.tries):,} tries are planned; "
              f"prepared in {time.monotonic() - began:.0f} s", flush=True)  # fmt: skip
        outcomes = carry_out_all(campaign, place, began + 60 * arguments.minutes, arguments.workers)
    return tell(outcomes, arguments, time.monotonic() - began)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=5842)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the outcomes into this file")
    parser.add_argument("--document", type=Path, help="put the table between its two markers")
    return parser.parse_args()


def plan(place: Workplace, seed: int, minutes: float) -> Campaign:
    """By turns of all kinds: what is finite is tried once, random kills and flips never end."""
    disks = [
        *kills.broken_disks(place.commands),
        *kills.pairs(place.commands),
        *quotas.quotas(place.commands),
    ]
    kinds = [
        (8, shuffled(kills.kills(place.commands), seed)),
        (2, kills.random_kills(place.commands)),
        (5, flips.flips(seed)),
        (3, shuffled(hostile.inputs(), seed)),
        (1, shuffled(disks, seed)),
    ]
    return Campaign.of(kinds, seed, minutes)


def tell(outcomes: list[Outcome], arguments: argparse.Namespace, seconds: float) -> int:
    command = f"make faults MINUTES={arguments.minutes:g} SEED={arguments.seed}"
    text = table(outcomes)
    print(f"\n{text}\n{command}: {seconds:.0f} s, {arguments.workers} workers")
    if arguments.json:
        write_json(arguments.json, outcomes, command, seconds)
    if arguments.document:
        into_document(arguments.document, text, command, seconds)
    return 0 if outcomes and not any(one.wrong for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
