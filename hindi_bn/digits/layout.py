"""Which of many paths are the digits' images: Train and Test at any depth, classes beneath."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from hindi_bn.digits import checksums
from hindi_bn.digits.checksums import FOLDERS, SPLITS
from hindi_bn.errors import DataError

CLASS_FOLDER = re.compile(r"(?:digit_)?([0-9])", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """Where one image belongs, and the folder above its Train or Test that it was found in."""

    split: str
    digit: int
    name: str
    root: str

    @property
    def path(self) -> PurePosixPath:
        """The image's path in the normalised layout, as `Train/digit_3/17.png`."""
        return PurePosixPath(FOLDERS[self.split], f"digit_{self.digit}", self.name)


def place(path: str) -> Place | None:
    """Return where an image belongs, as `x/Train/digit_3/17.png` or `test/3/17.PNG`.

    None for letters, stray files and hidden ones.
    """
    *folders, name = PurePosixPath(path.replace("\\", "/")).parts or ("",)
    if not name.lower().endswith(".png") or name.startswith(".") or "__MACOSX" in folders:
        return None
    digit = CLASS_FOLDER.fullmatch(folders[-1]) if folders else None
    if digit is None:
        return None
    for depth in range(len(folders) - 2, -1, -1):
        if folders[depth].lower() in SPLITS:
            root = "/".join(folders[:depth])
            return Place(folders[depth].lower(), int(digit[1]), name, root)
    return None


def choose(paths: Iterable[str]) -> dict[str, Place]:
    """Return the images to take, by path.

    Archives sometimes hold the same tree twice. The tree with the right counts is taken, the
    fullest otherwise, the shallowest among equals; a split that it lacks comes from the next one.
    DataError when two paths claim the same place.
    """
    trees: dict[str, dict[str, Place]] = defaultdict(dict)
    for path in paths:
        found = place(path)
        if found is not None:
            trees[found.root][path] = found
    chosen: dict[str, Place] = {}
    for tree in sorted(trees.values(), key=_rank, reverse=True):
        had = {image.split for image in chosen.values()}
        chosen |= {path: image for path, image in tree.items() if image.split not in had}
    _refuse_duplicates(chosen)
    return chosen


def _rank(tree: dict[str, Place]) -> tuple[int, int, int]:
    """Return the number of complete classes, the number of images, and how shallow they are."""
    counts = Counter((image.split, image.digit) for image in tree.values())
    expected = checksums.ARTICLE.per_class
    complete = sum(count == expected[split] for (split, _), count in counts.items())
    return complete, len(tree), -len(next(iter(tree.values())).root)


def _refuse_duplicates(chosen: dict[str, Place]) -> None:
    seen: dict[PurePosixPath, str] = {}
    for path, found in chosen.items():
        if found.path in seen:
            raise DataError(
                f"Two images claim the place {found.path}: {seen[found.path]} and {path}.",
                "The folders for one class exist twice, say as digit_3 and 3.",
                "remove one of them and try again",
            )
        seen[found.path] = path
