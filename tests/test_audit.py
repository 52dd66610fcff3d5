"""What `make audit` says of pip-audit's answer."""

from audit import judged

HARMLESS = {"name": "a", "version": "1", "vulns": []}
UNKNOWN = {"name": "b", "skip_reason": "not found"}


def fault(*mended: str) -> dict[str, object]:
    return {"name": "c", "version": "1", "vulns": [{"id": "X-1", "fix_versions": list(mended)}]}


def test_what_a_newer_version_mends_is_an_error() -> None:
    assert judged({"dependencies": [HARMLESS, UNKNOWN]}) == (
        ["pip-audit knows 1 of 2 packages."],
        0,
    )
    lines, code = judged({"dependencies": [fault("2", "3")]})
    assert (lines[1], code) == ("c 1: X-1, mended in 2, 3", 1)
    lines, code = judged({"dependencies": [fault()]})
    assert (lines[1], code) == ("c 1: X-1, mended in no version", 0)
