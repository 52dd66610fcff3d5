"""What is refused before training: normalisation layers that cannot work where they stand."""

from hindi_bn.errors import StudyError
from hindi_bn.networks.build import build_run
from hindi_bn.networks.norms import Norm, norm_of
from hindi_bn.networks.preserved import preserved
from hindi_bn.networks.table import Layer, layer_table
from hindi_bn.study import Run


def check(run: Run, train_images: int, image_size: int = 32) -> None:
    """Refuse a run with a normalisation layer that would have one value, or that cannot be built.

    Less its own mean a single value is 0, whatever it was: the layer passes nothing on, and nothing
    before it can learn. Nothing is drawn from torch's default generator.
    """
    with preserved():
        network = build_run(run, image_size)
    smallest = min(run.batch_size, train_images % run.batch_size or run.batch_size, train_images)
    for layer, row in zip(network, layer_table(network, image_size)[1:], strict=True):
        norm = norm_of(layer) if row.kind == "normalisation" else None
        if norm is None or norm.takes_one_value():
            continue
        if norm.values_together(row.shape, smallest) == 1:
            why, next_step = _reason(norm, run, row, train_images)
            raise StudyError(
                f"{row.description} (layer {row.name}) would have one value to normalise.",
                f"{why} Less its own mean that is 0, whatever it was, so nothing could be learned.",
                next_step,
            )


def _reason(norm: Norm, run: Run, row: Layer, train_images: int) -> tuple[str, str]:
    if norm.over != "batch":
        return norm.one_value(row.shape)
    if run.batch_size == 1 or train_images == 1:
        return (
            "Batches of one image leave one value of each feature.",
            "set batch_size to 2 or more, or choose norm layer or group; to see that nothing is "
            "learned, norm: {name: batch-by-hand, allow_one_value: true}",
        )
    fitting = next(
        size for size in range(run.batch_size + 1, 2 * train_images) if train_images % size != 1
    )
    return (
        f"{train_images} training images in batches of {run.batch_size} leave a last batch of one "
        "image, with one value of each feature.",
        f"set batch_size to another number, such as {fitting}, or choose norm layer or group",
    )
