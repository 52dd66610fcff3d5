"""What a folder holds, but for times and what names the command: to be compared byte for byte."""

from __future__ import annotations

import hashlib
import io
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from pyarrow import parquet

TIMES = {"seconds", "started", "total_seconds", "fetched", "command", "fingerprint"}
"""Keys and columns that are times, or the command as it was typed."""
UNREAD = {"log.txt", "timings.json"}

Tree = dict[str, str]


def tree_of(folder: Path) -> Tree:
    """A digest for each file, by its path; `/` after folders that are empty."""
    tree: Tree = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if name.startswith("tmp/hindi-bn-digits-"):  # the next sweep that trains removes it
            continue
        if path.is_dir():
            if not any(path.iterdir()) and name != "tmp":
                tree[f"{name}/"] = ""
        elif path.name not in UNREAD and path.suffix != ".lock" and path.name != ".lock":
            tree[name] = hashlib.sha256(timeless(path)).hexdigest()
    return tree


def timeless(path: Path) -> bytes:
    """A file's bytes without what differs between two equal commands."""
    data = path.read_bytes()
    how = _READERS.get(path.suffix)
    if how is None:
        return data
    try:
        return how(data)
    except Exception:  # a file that is no longer what its name says is compared as it is
        return data


def differences(expected: Tree, found: Tree) -> str:
    """The first differences in words; nothing when there are none."""
    lost = [f"{name} is lost" for name in expected.keys() - found.keys()]
    left = [f"{name} is left over" for name in found.keys() - expected.keys()]
    other = [f"{name} differs" for name in expected.keys() & found.keys()
             if expected[name] != found[name]]  # fmt: skip
    return "; ".join(sorted(lost + other + left)[:4])


def _json(data: bytes) -> bytes:
    return json.dumps(_without_times(json.loads(data)), sort_keys=True).encode()


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        if "files" in value and "epochs" in value:  # a manifest: digests of files that hold times
            value = value | {"files": sorted(value["files"]), "digest": ""}
        if "fetched" in value:  # the digest of a time, too
            value = value | {"digest": ""}
        return {k: _without_times(v) for k, v in value.items() if k not in TIMES}
    return [_without_times(each) for each in value] if isinstance(value, list) else value


def _csv(data: bytes) -> bytes:
    table = pd.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False)
    return table.drop(columns=[c for c in table if c in TIMES]).to_csv().encode()


def _parquet(data: bytes) -> bytes:
    opened = parquet.ParquetFile(io.BytesIO(data), pre_buffer=False)
    table = opened.read(use_threads=False).to_pandas(use_threads=False)  # none where forks are
    return (
        table.drop(columns=[c for c in table if c in TIMES]).to_json(double_precision=15).encode()
    )


def _yaml(data: bytes) -> bytes:
    """Without the command, which begins a record and may take lines that are indented."""
    lines, kept = data.splitlines(), []
    skipping = False
    for line in lines:
        skipping = line.startswith(b"command:") or (skipping and line.startswith(b" "))
        kept += [] if skipping else [line]
    return b"\n".join(kept)


def _safetensors(data: bytes) -> bytes:
    (length,) = struct.unpack("<Q", data[:8])
    head = json.loads(data[8 : 8 + length])
    return json.dumps(_without_times(head), sort_keys=True).encode() + data[8 + length :]


_READERS: dict[str, Callable[[bytes], bytes]] = {
    ".json": _json, ".csv": _csv, ".parquet": _parquet, ".yaml": _yaml,
    ".safetensors": _safetensors,
}  # fmt: skip
