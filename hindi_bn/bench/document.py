"""What was measured as one document: what `hindi-bn bench --json` prints and its tables show."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hindi_bn.bench.arm import ENGINE, EXACT, FAST, NOTEBOOK
from hindi_bn.bench.many import ManyRuns
from hindi_bn.bench.measure import NetworkBench, disagreement

AGAINST = {EXACT: NOTEBOOK, FAST: EXACT, ENGINE: EXACT}  # whose losses a way's are compared with


def network_document(measured: NetworkBench) -> dict[str, Any]:
    """Return one network's measurements; rates in operations per second, memory in MiB."""
    training = sum(layer.training for layer in measured.work)
    peak = measured.peak()
    return {
        "run": measured.run.name,
        "network": measured.run.network,
        "norm": measured.run.norm.name,
        "images": measured.images,
        "operations": {
            "layers": [asdict(layer) for layer in measured.work],
            "forward": sum(layer.forward for layer in measured.work),
            "training": training,
        },
        "peak": asdict(peak),
        "ways": [_way_document(measured, way) for way in measured.ways],
        "agreement": {
            f"{way} - {other}": disagreement(measured.ways[way], measured.ways[other])
            for way, other in AGAINST.items()
            if way in measured.ways and other in measured.ways
        },
    }


def _way_document(measured: NetworkBench, way: str) -> dict[str, Any]:
    this, peak, rate = measured.ways[way], measured.peak(), measured.rate(way)
    return {
        "way": way,
        "seconds": this.spread("seconds"),
        "train_seconds": this.spread("train_seconds"),
        "ratio": measured.ratio(way) if NOTEBOOK in measured.ways else None,
        "images_per_second": measured.images / this.spread("train_seconds")["median"],
        "rate": rate,
        "share_of_product": rate / peak.product,
        "share_of_convolution": rate / peak.convolution,
        "memory": this.memory,
        "memory_above_torch": this.memory - this.torch_memory,
        "gpu_memory": this.gpu_memory,
        "start": this.start,
        "epochs": this.rows,
    }


def many_document(measured: Sequence[ManyRuns]) -> list[dict[str, Any]]:
    """Return what many runs cost, how many end per hour, and what being side by side gains."""
    return [
        asdict(m)
        | {"ratio": m.one_by_one / m.side_by_side, "per_hour": 3600 * m.runs / m.side_by_side}
        for m in measured
    ]


def sizes_document(measured: Sequence[NetworkBench]) -> list[dict[str, Any]]:
    """Return the seconds of an epoch by number of training images and way."""
    return [
        {"images": m.images, "way": way, "run": m.run.name, **m.ways[way].spread("seconds")}
        for m in measured
        for way in m.ways
    ]
