"""Ask pip-audit for known faults of the packages in constraints.txt (`make audit`).

It needs the network: where the advisories cannot be asked, that is said in a line and no error. An
advisory that a newer version mends is one; an advisory that none mends is printed.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

COMMAND = (
    "-m", "pip_audit", "--requirement", "constraints.txt", "--no-deps", "--disable-pip",
    "--format", "json", "--progress-spinner", "off", "--timeout", "15",
)  # fmt: skip
PATIENCE = 300  # seconds


def judged(document: dict[str, Any]) -> tuple[list[str], int]:
    """Return a line per advisory, and the exit code: 1 where a newer version mends one."""
    packages = document["dependencies"]
    asked = [package for package in packages if "skip_reason" not in package]
    lines = [f"pip-audit knows {len(asked)} of {len(packages)} packages."]
    fixable = False
    for package in asked:
        for fault in package["vulns"]:
            mended = ", ".join(fault["fix_versions"])
            fixable |= bool(mended)
            lines.append(f"{package['name']} {package['version']}: {fault['id']}, "
                         f"mended in {mended or 'no version'}")  # fmt: skip
    return lines, int(fixable)


def main() -> int:
    """Print what is known, or why nothing is."""
    try:
        done = subprocess.run(
            [sys.executable, *COMMAND], cwd=Path(__file__).parents[1],
            capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        lines, code = judged(json.loads(done.stdout))
    except subprocess.TimeoutExpired:
        lines, code = [f"pip-audit was skipped: no answer within {PATIENCE} seconds."], 0
    except ValueError:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        lines, code = [f"pip-audit was skipped: {said[-1][:200]}"], 0
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
