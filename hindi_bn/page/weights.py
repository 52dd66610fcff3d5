"""Networks of many epochs as float16, packed; `page.weights` in source/start.js unpacks them.

A number changes little from one epoch to the next, so each epoch is stored as what it adds to the
one before: float16's bits in the order of the numbers they stand for (zero in the middle),
subtracted modulo 2^16, folded so that small changes of either sign are small numbers, and their
low and high bytes apart.
"""

import zlib

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def pack(points: Floats) -> bytes:
    """Pack networks (epochs, numbers), in order, as the page reads them."""
    bits = points.astype(np.float16).view(np.uint16).astype(np.int32)
    ordered = np.where(bits & 0x8000, -(bits & 0x7FFF), bits)
    added = np.diff(ordered, axis=0, prepend=0).astype(np.int16)  # modulo 2^16
    folded = ((added << 1) ^ (added >> 15)).view(np.uint16)
    planes = np.stack([folded & 0xFF, folded >> 8], axis=1).astype(np.uint8)  # (epochs, 2, numbers)
    return deflated(planes.tobytes())


def deflated(content: bytes) -> bytes:
    """Compress as DecompressionStream("deflate-raw") reads it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()
