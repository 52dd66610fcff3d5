"""The stand-in: digits drawn by `hindi_bn.digits.stand_in`, where the real ones cannot be had."""

import hashlib
from pathlib import Path

from hindi_bn.digits.cache import keep_arrays, read_pixels
from hindi_bn.digits.checksums import SPLITS
from hindi_bn.digits.dataset import DataSet, Digits, Note, from_pixels
from hindi_bn.digits.images import Advance, silent
from hindi_bn.digits.staging import locked

CACHE = "stand-in.safetensors"
OLD_CACHE = "drawn.safetensors"


class StandIn(DataSet):
    """Drawn when it is missing, and again when the code that draws it has changed."""

    def load(self, data_dir: Path, advance: Advance = silent) -> Digits:
        """Read the stand-in, or draw it."""
        facts = {"drawing": drawing_code()}
        pixels = read_pixels(data_dir / CACHE, facts)
        if pixels is None:
            from hindi_bn.digits.stand_in import draw

            with locked(data_dir):
                pixels = read_pixels(data_dir / CACHE, facts)  # drawn by another process by now?
                if pixels is None:
                    pixels = dict(zip(SPLITS, draw(), strict=True))
                    keep_arrays(data_dir / CACHE, pixels, facts)
                    (data_dir / OLD_CACHE).unlink(missing_ok=True)
        return from_pixels(self.name, self.name, pixels)

    def fetch(self, data_dir: Path, *, force: bool, note: Note, advance: Advance) -> Digits:
        """Draw the stand-in unless it is there."""
        if not (data_dir / CACHE).exists():
            note("Drawing the stand-in, once; this may take half a minute.")
        return self.load(data_dir, advance)


def drawing_code() -> str:
    """Return a hash of the code that draws, so that a changed drawing is drawn again."""
    hashed = hashlib.sha256()
    for module in ("stand_in.py", "strokes.py"):
        hashed.update((Path(__file__).parents[1] / module).read_bytes())
    return hashed.hexdigest()


DATA_SET = StandIn("stand-in", "drawn stand-in, not the article's data", image_size=32)
