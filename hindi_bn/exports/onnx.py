"""ONNX, as trained and with batch norms folded into the layers before them, for onnxruntime."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils import fusion

from hindi_bn.digits import Digits
from hindi_bn.environment import needed
from hindi_bn.errors import HindiBnError, RunError
from hindi_bn.exports import BATCH, REPORT, Answers, Exported, answers, batch_norms_of
from hindi_bn.files import one_line, replacing
from hindi_bn.records import Record
from hindi_bn.training.run import load_network
from hindi_bn.training.tensors import run_constants

Numbers = tuple[float, float]


def export(record: Record, digits: Digits, folder: Path) -> list[Exported]:
    """Write `<run>.onnx`, and `<run>-folded.onnx` where a batch norm can be folded.

    Both map `image`, float32 (batch, 1, height, width), to `logits` (batch, 10). An exporter may
    drop batch norms or leave them in train mode: their nodes are counted, and the logits for the
    test digits held against torch's. RunError where they are not the same; nothing is written then.
    """
    with needed("export", "Exporting to ONNX"):
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401 - torch exports by it
    wanted, constants = answers(record, digits), run_constants(digits, record.run)
    network = load_network(record)
    assert isinstance(network, nn.Sequential)
    versions = {f"{record.run.name}.onnx": network}
    folded = fold(network)
    if len(folded) < len(network):
        versions[f"{record.run.name}-folded.onnx"] = folded
    found, models = [], {}
    for name, each in versions.items():
        with _possible(record):
            models[folder / name] = model = _model(each, record, constants)
            found.append(_checked(folder / name, model, wanted, batch_norms_of(each)))
    for file, model in models.items():
        with replacing(file) as temporary:
            temporary.write_bytes(model)
    return found


def fold(network: nn.Sequential) -> nn.Sequential:
    """Return the network with each batch norm folded into the layer directly before it, if it can.

    In eval mode a batch norm is a scale and a shift per channel: those of the convolution's or
    linear layer's weights, too. Dropout, which does nothing then, is left away.
    """
    layers: list[tuple[str, nn.Module]] = []
    for name, layer in network.named_children():
        before = layers[-1][1] if layers else None
        if type(layer) is nn.BatchNorm2d and type(before) is nn.Conv2d:
            layers[-1] = layers[-1][0], fusion.fuse_conv_bn_eval(before, layer)
        elif type(layer) is nn.BatchNorm1d and type(before) is nn.Linear:
            layers[-1] = layers[-1][0], fusion.fuse_linear_bn_eval(before, layer)
        elif not isinstance(layer, nn.Dropout | nn.Dropout2d):
            layers.append((name, layer))
    folded = nn.Sequential()
    for name, layer in layers:
        folded.add_module(name, layer)
    return folded.eval()


@contextlib.contextmanager
def _possible(record: Record) -> Iterator[None]:
    """Turn what torch's exporter or onnxruntime cannot do into a RunError."""
    try:
        yield
    except HindiBnError:
        raise
    except Exception as error:
        raise RunError(
            f"Network {record.run.network!r} cannot be written as ONNX.",
            one_line(error),
            "export it with --format huggingface, or a run of another network",
        ) from error


def _model(network: nn.Module, record: Record, constants: Numbers) -> bytes:
    """Return a network as ONNX, with how its images are scaled and what it was trained on."""
    side = record.study.image_size
    program = torch.onnx.export(
        network, (torch.zeros(2, 1, side, side),), input_names=["image"],
        output_names=["logits"], dynamic_shapes=({0: torch.export.Dim("batch")},),
        dynamo=True, optimize=False, verbose=False,
    )  # fmt: skip
    assert program is not None
    model = program.model_proto
    about = {
        "scaling": "(grey / 255 - {}) / {}, white strokes on black".format(*constants),
        "trained_on": record.data_title, "network": record.run.network,
        "norm": record.run.norm.name,
    }  # fmt: skip
    for key, value in about.items():
        model.metadata_props.add(key=key, value=value)
    return bytes(model.SerializeToString())


def _checked(file: Path, model: bytes, wanted: Answers, norms: int) -> Exported:
    import onnx
    import onnxruntime

    nodes = [node.op_type for node in onnx.load_from_string(model).graph.node]
    if (found := nodes.count("BatchNormalization")) != norms:
        raise RunError(
            f"{file.name} does not have the network's batch norms.",
            f"The network has {norms}, the export {found}.",
            REPORT,
        )
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    starts = range(0, len(wanted.images), BATCH)
    batches = [wanted.images[start : start + BATCH] for start in starts]
    logits = np.concatenate([session.run(["logits"], {"image": batch})[0] for batch in batches])
    return wanted.compared(file, logits, norms)
