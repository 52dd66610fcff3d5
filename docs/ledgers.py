"""Write ledgers, the multiverse's table and the counts of claims into README.md and docs/claims.md.

`make docs` calls it; needed where `hindi-bn claims run` or `claims multiverse` gave other results.
"""

import re
from pathlib import Path

from hindi_bn.claims.claim import load_claims
from hindi_bn.claims.report import ledger
from hindi_bn.claims.results import read_results

ROOT = Path(__file__).parent.parent
CLAIMS = ROOT / "results" / "claims"
COUNTS = re.compile(
    r"\d+ judged by fresh seeds, \d+ of them decided; \d+ with a pilot; \d+ not trained yet"
)
ROW = re.compile(r"^\| (\d+) \|")


def main() -> None:
    """Write both documents; text outside the marked blocks and the counts stays."""
    results = read_results(CLAIMS)
    judged = [result.verdict for result in results if result.stage == "confirm"]
    counts = (
        f"{len(judged)} judged by fresh seeds, {len(judged) - judged.count('undecided')} of them "
        f"decided; {len(results) - len(judged)} with a pilot; "
        f"{len(load_claims()) - len(results)} not trained yet"
    )
    multiverse = (CLAIMS / "multiverse.md").read_text(encoding="utf-8")
    for page, links in (("README.md", "docs/claims.md"), ("docs/claims.md", "claims.md")):
        text = (ROOT / page).read_text(encoding="utf-8")
        rows = ledger(results, links).splitlines()
        if page == "README.md":  # the same few rows as before
            quoted = {row[1] for row in map(ROW.match, text.splitlines()) if row}
            rows = [row for row in rows if not (found := ROW.match(row)) or found[1] in quoted]
        text = COUNTS.sub(counts, within(text, "ledger", "\n".join(rows) + "\n"))
        (ROOT / page).write_text(within(text, "multiverse", multiverse), encoding="utf-8")


def within(text: str, mark: str, block: str) -> str:
    """Put the block between `<!-- mark -->` and `<!-- /mark -->`, where these stand."""
    between = re.compile(rf"(<!-- {mark} -->\n).*(<!-- /{mark} -->)", re.DOTALL)
    return between.sub(lambda marks: marks[1] + block + marks[2], text)


if __name__ == "__main__":
    main()
