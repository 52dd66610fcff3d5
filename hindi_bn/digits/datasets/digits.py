"""The article's digits, from any of several sources (see `hindi_bn.digits.fetching`)."""

from pathlib import Path

from hindi_bn.digits import checksums
from hindi_bn.digits.dataset import DataSet, Digits, Note
from hindi_bn.digits.fetching import AUTO, fetch
from hindi_bn.digits.images import Advance, silent
from hindi_bn.digits.real import load_real


class RealDigits(DataSet):
    """The digits of the article, or others that were accepted in their place."""

    def load(self, data_dir: Path, advance: Advance = silent) -> Digits:
        """Return the digits that are there; their images are decoded again if they changed."""
        return load_real(data_dir, advance)

    def fetch(self, data_dir: Path, *, force: bool, note: Note, advance: Advance) -> Digits:
        """Take the digits from the first source that has them."""
        return fetch(AUTO, data_dir, force=force, note=note, advance=advance)

    def title_of(self, digits: Digits) -> str:
        """Say whether they are the article's."""
        if digits.identical:
            total = len(digits.train_labels) + len(digits.test_labels)
            return f"{self.title}, identical to the article's {total:,} images"
        where = checksums.name_classes(digits.differing)
        return f"{self.title}, NOT identical to the article's ({where})"


DATA_SET = RealDigits("digits", "Hindi digits", image_size=32)
