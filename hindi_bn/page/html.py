"""Joins the page: sources, the engine as WebAssembly, and what is aboard, in one HTML file."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hindi_bn.files import plain_json

SOURCE = Path(__file__).parent / "source"
ENGINE = SOURCE / "engine.wasm"
"""Compiled from the engine's own source; a test compiles it again and compares."""

WORKER = ("engine.js", "rng.js", "sha256.js", "worker.js")
"""What the page's workers run."""

STYLES = ("style.css", "digits.css")

SCRIPTS = (
    "start.js", "engine.js", "rng.js", "sha256.js", "axes.js", "lines.js", "chart.js",
    "projection.js", "result.js", "reading.js", "bars.js", "pen.js", "draw.js",
    "products.js", "maps.js", "inside.js", "batches.js", "whatif.js",
    "shapes.js", "trainer.js", "trace.js", "choices.js", "arm.js",
    "train.js", "inflate.js", "archive.js", "repeat.js", "descent.js",
    "claims.js", "surface.js", "last.js",
)  # fmt: skip


def join(aboard: Mapping[str, Any], blobs: Mapping[str, bytes]) -> str:
    """Return the page with these data and blobs aboard; equal input gives equal text.

    Nothing in them can end a script or begin one: JSON's "<" is escaped, blobs are base64.
    """
    blobs = {**blobs, "engine": ENGINE.read_bytes()}
    worker = "\n".join(_source(name) for name in WORKER)
    parts = {
        "style": "\n".join(_source(name) for name in STYLES),
        "title": _escaped(str(aboard["title"])),
        "aboard": _script("aboard", "application/json", _json(aboard)),
        "blobs": "\n".join(
            _script(f"blob-{name}", "text/plain", base64.b64encode(content).decode())
            for name, content in sorted(blobs.items())
        ),
        "worker": _script("worker", "text/plain", worker),
        "scripts": "\n".join(f"<script>\n{_source(name)}</script>" for name in SCRIPTS),
    }
    page = _source("index.html")
    for name, content in parts.items():
        before, after = page.split(f"<!-- {name} -->")
        page = before + content + after
    return page


def _source(name: str) -> str:
    return (SOURCE / name).read_text(encoding="utf-8")


def _json(document: Mapping[str, Any]) -> str:
    text = json.dumps(
        plain_json(document), ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )
    return text.replace("<", "\\u003c")


def _script(name: str, kind: str, content: str) -> str:
    return f'<script id="{name}" type="{kind}">{content}</script>'


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
