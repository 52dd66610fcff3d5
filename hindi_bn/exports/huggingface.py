"""A folder for the Hugging Face Hub: model card with our numbers, safetensors, configuration."""

import json
from pathlib import Path
from typing import Any

import yaml
from safetensors.torch import load

from hindi_bn import __version__
from hindi_bn.digits import Digits
from hindi_bn.exports import Exported, answers, batch_norms_of, logits_of
from hindi_bn.files import json_text, replacing, write_json, write_text
from hindi_bn.networks import build
from hindi_bn.networks.preserved import preserved
from hindi_bn.records import Record, RunFolder
from hindi_bn.training.tensors import run_constants

SHAPING = {
    "norm", "norm_layers", "placement", "dropout", "dropout_place", "halved", "transformer", "init",
    "options",
}  # fmt: skip

CARD = """
# {title}

{description}
Network `{network}`, norm `{norm}`, {epochs} epochs of training by hindi-bn {version}.

## Results

| | {n:,} test images |
|---|---|
| accuracy | {accuracy:.2%} |
| loss (cross-entropy) | {loss:.4f} |

One run, seed {seed}. Data: {data}. Photos, scans and other writers are other data: expect less.

## Use

With `pip install hindi-bn`, in this folder:

```python
import json
from pathlib import Path

from hindi_bn.networks import build
from safetensors.torch import load_file

config = json.loads(Path("config.json").read_text(encoding="utf-8"))
network = build(**config["network"])
network.load_state_dict(load_file("model.safetensors"))
network.eval()
```

`network` maps images (n, 1, {side}, {side}), white strokes on black, to logits (n, 10). Grey values
are scaled as `(grey / 255 - {shift}) / {divisor}`; `config["id2label"]` names the classes.
"""


def export(record: Record, digits: Digits, folder: Path) -> list[Exported]:
    """Write `README.md` (the model card), `config.json` and `model.safetensors`.

    Before that a network is made from configuration and weights alone, and its logits for the test
    digits held against those of the run.
    """
    wanted, constants = answers(record, digits), run_constants(digits, record.run)
    config = _config(record, constants)
    weights = RunFolder(record.folder).weights_file.read_bytes()
    with preserved():
        network = build(**json.loads(json_text(config))["network"])
    network.load_state_dict(load(weights))
    file = folder / "model.safetensors"
    found = wanted.compared(file, logits_of(network, wanted.images), batch_norms_of(network))
    with replacing(file) as temporary:
        temporary.write_bytes(weights)
    write_json(folder / "config.json", config)
    write_text(folder / "README.md", _card(record, found.accuracy, len(wanted.labels), constants))
    return [found]


def _config(record: Record, constants: tuple[float, float]) -> dict[str, Any]:
    shift, divisor = constants
    settings = record.run.model_dump(mode="json", include=SHAPING)
    shape = {"name": record.run.network, "image_size": record.study.image_size}
    return {
        "model_type": "hindi-bn", "hindi_bn_version": __version__, "network": shape | settings,
        "scaling": {"shift": shift, "divisor": divisor},
        "id2label": {str(digit): str(digit) for digit in range(10)},
    }  # fmt: skip


def _card(record: Record, accuracy: float, n: int, constants: tuple[float, float]) -> str:
    """Return the model card: what the Hub reads as YAML, then what people read."""
    name, loss = f"{record.study.name}-{record.run.name}", record.history["test_loss"].iloc[-1]
    metrics = [
        {"type": "accuracy", "name": "Test accuracy", "value": accuracy},
        {"type": "loss", "name": "Test loss", "value": float(loss)},
    ]
    result = {
        "task": {"type": "image-classification", "name": "Image classification"},
        "dataset": {"type": record.study.data, "name": record.data_title, "split": "test"},
        "metrics": metrics,
    }
    head = {
        "license": "mit", "library_name": "hindi-bn", "pipeline_tag": "image-classification",
        "tags": ["batch-normalization", "devanagari", "digits"], "metrics": ["accuracy"],
        "model-index": [{"name": name, "results": [result]}],
    }  # fmt: skip
    text = CARD.format(
        title=name, description=record.study.description, network=record.run.network,
        norm=record.run.norm.name, epochs=len(record.history), version=__version__, n=n,
        accuracy=accuracy, loss=loss, seed=record.study.seed, data=record.data_title,
        side=record.study.image_size, shift=constants[0], divisor=constants[1],
    )  # fmt: skip
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n{text}"
