"""What a sweep leaves behind: tables, statistics and figures in `<out>/sweeps/<name>/`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from hindi_bn.files import plain_json, replacing, write_json, write_text
from hindi_bn.stats.metrics import ENDED
from hindi_bn.stats.tables import paired_table, summary_table
from hindi_bn.study import results_folder
from hindi_bn.sweeps.run import SweepResult
from hindi_bn.sweeps.sweep_file import Sweep


def output_folder(out: Path, sweep: Sweep, data: Sequence[str]) -> Path:
    """Return the folder of a sweep; data other than the real digits are in its name."""
    return results_folder(out / "sweeps", sweep.name, data[0] if len(data) == 1 else "digits")


def write_sweep(
    result: SweepResult, sweep: Sweep, folder: Path, formats: Sequence[str] = ("png",)
) -> dict[str, Any]:
    """Write a sweep's tables, statistics and figures; return the document of summary.json.

    Files: `runs.parquet`, `epochs.parquet`, `summary.csv` (a row per arm and metric), `paired.csv`
    (a row per arm and metric, against the first arm), `summary.json` (the sweep, both tables of
    statistics and the runs that ended badly) and `figures/`, which show these tables. HindiBnError
    when a file cannot be written or a format is unknown.
    """
    from hindi_bn.figures.style import Caption, save
    from hindi_bn.sweeps.drawing import sweep_figures

    for name, table in {"runs": result.runs, "epochs": result.epochs}.items():
        with replacing(folder / f"{name}.parquet") as temporary:
            table.to_parquet(temporary, engine="pyarrow", index=False)
    summary = summary_table(result.runs)
    paired = paired_table(result.runs, str(result.runs["arm"].iloc[0]))
    write_text(folder / "summary.csv", summary.to_csv(index=False, lineterminator="\n"))
    write_text(folder / "paired.csv", paired.to_csv(index=False, lineterminator="\n"))
    document = _document(result, sweep, summary, paired)
    write_json(folder / "summary.json", document)
    open_ = int((~result.runs["status"].isin(ENDED)).sum())
    caption = Caption(result.title, f"sweep {sweep.name}")
    caption = caption.plus(f"{open_} runs without a result" * (open_ > 0))
    for name, figure in sweep_figures(result, summary, paired, caption).items():
        save(figure, folder / "figures" / name, formats)
    return document


def _document(
    result: SweepResult, sweep: Sweep, summary: pd.DataFrame, paired: pd.DataFrame
) -> dict[str, Any]:
    runs, plain = result.runs, sweep.model_dump(mode="json")
    if isinstance(sweep.study, str):  # without the folder in which it happens to lie
        plain["study"] = Path(sweep.study).name
    document: dict[str, Any] = {
        "sweep": plain,
        "data": list(result.titles),
        "complete": result.complete,
        "runs": len(runs),
        "statuses": {str(k): int(n) for k, n in runs["status"].value_counts(sort=False).items()},
        "arms": [
            {"arm": str(arm), **part[result.varied].iloc[0].to_dict(), "n": len(part)}
            for arm, part in runs.groupby("arm", sort=False)
        ],
        "bad_ends": [
            {"arm": end.arm, "seed": end.seed, "key": end.key, "status": end.status, "why": end.why}
            for end in result.bad_ends
        ],
        "summary": summary.to_dict("records"),
        "paired": paired.to_dict("records"),
    }
    return dict(plain_json(document))
