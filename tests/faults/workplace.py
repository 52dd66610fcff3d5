"""What the campaign works on: tiny digits, studies, and what each command leaves undisturbed."""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from local_server import serving
from PIL import Image, ImageDraw
from small_digits import checksums_of, small_files, small_pixels, write_tar, write_zip

import hindi_bn
from faults import servers
from faults.children import Ended, Fault, adopt_orphans, command, in_worker
from faults.moments import noting
from faults.trees import Tree, tree_of
from hindi_bn import environment
from hindi_bn.claims import claim
from hindi_bn.digits import checksums
from hindi_bn.digits.sources import uci

SMALL = {"network": "conv_pair", "threads": 1, "device": "cpu", "batch_size": 16}
RECORDED = [{"kind": "gradients", "every": 1}]
STUDIES = {
    "one": {"runs": [{"name": "bn", "norm": "batch"}], "epochs": 2, "recordings": RECORDED},
    "pair": {"runs": [{"name": "no-bn", "norm": "none"}, {"name": "bn", "norm": "batch"}],
             "epochs": 1},
}  # fmt: skip
SWEEP = {
    "name": "s",
    "study": SMALL | {"epochs": 1},
    "grid": {"norm": ["none", "batch"]},
    "seeds": 1,
}
CLAIM = {
    "id": 1, "name": "shape", "title": "BN changes something", "statement": "It does.",
    "source": "Nobody.", "method": "By looking.",
    "sweeps": [{"name": "seeds", "study": {"name": "tiny", **SMALL}, "set": {"epochs": 1},
                "grid": {"norm": ["none", "batch"]}}],
    "tests": [{"label": "Loss, with BN less without", "metric": "final_train_loss",
               "plus": [{"where": {"norm": "batch"}}], "minus": [{"where": {"norm": "none"}}],
               "below": 0}],
}  # fmt: skip


NOT_NEEDED = ("__main__", "kaggle", "ray", "exports", "trackers", "engine.build", "bench")
"""Modules that need an extra, start threads, or do something when they are imported."""


@dataclass(frozen=True)
class Command:
    """A command of the campaign, the folder it begins in, and what it leaves undisturbed."""

    name: str
    arguments: Sequence[str]
    before: Path
    again: Sequence[str] = ()  # what is added when it is given a second time
    variables: dict[str, str] = field(default_factory=dict)
    after: Tree = field(default_factory=dict)
    moments: tuple[int, int] = (0, 0)  # in the command itself and in its worker
    seconds: float = 0.0
    peak: int = 0

    def run(self, folder: Path, *faults: Fault, kill_after: float | None = None) -> Ended:
        return command(self.arguments, folder, *faults, kill_after=kill_after, **self.variables)

    def run_again(self, folder: Path) -> Ended:
        return command([*self.arguments, *self.again], folder, **self.variables)


@dataclass(frozen=True)
class Workplace:
    """Where tries take place: `root` is the campaign's own, and a try has a folder in it."""

    root: Path
    commands: dict[str, Command]
    server: str  # its address; the first part of a path says how it behaves

    @contextlib.contextmanager
    def folder(self, before: Path) -> Iterator[Path]:
        """A new folder that holds what stands in `before`, times of files included."""
        place = Path(tempfile.mkdtemp(dir=self.root, prefix="try-"))
        try:
            yield Path(shutil.copytree(before, place / "w", symlinks=True))
        finally:
            shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def workplace(last: str = "") -> Iterator[Workplace]:
    """Import everything, stand tiny digits for the article's, and run each command undisturbed.

    `last` names the last command that is needed; all are run unless it is given.
    """
    memory = Path("/dev/shm")  # a kill leaves there what it leaves on a disk, only sooner
    where = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="faults-", dir=where) as name:
        root = Path(name)
        adapt(root)
        with served() as address:
            adopt_orphans()
            yield Workplace(root, undisturbed(root, address, last), address)


def adapt(root: Path) -> None:
    """Make this process one from which commands are forked."""
    for name in [each for each in os.environ if each.startswith(("HINDI_BN", "KAGGLE"))]:
        del os.environ[name]
    os.environ |= {"COLUMNS": "200", "NO_COLOR": "1", "MPLBACKEND": "agg"}
    for module in pkgutil.walk_packages(hindi_bn.__path__, "hindi_bn."):
        if not any(part in module.name for part in NOT_NEEDED):
            importlib.import_module(module.name)
    for library in ("pyarrow.parquet", "seaborn", "sklearn.metrics", "scipy.stats", "requests"):
        importlib.import_module(library)
    checksums.ARTICLE = checksums_of(small_pixels())
    claim.configs_folder = lambda: root / "configs"
    uci.READ_TIMEOUT = 2.0
    environment.commit()
    draw_nothing()


def plant(name: str, fault: Any) -> None:
    """Put a fault in the place of a function of the product, wherever that is imported."""
    for module in [each for each in sys.modules.values() if each.__name__.startswith("hindi_bn")]:
        if hasattr(module, name):
            setattr(module, name, fault)


def draw_nothing() -> None:
    """Compose figures and write their files, but draw nothing, which takes most of the time."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    def save(figure: Figure, file: Path, **_: object) -> None:
        Path(file).write_text("figure")

    ConstrainedLayoutEngine.execute = lambda self, figure: None
    Figure.savefig = save


@contextlib.contextmanager
def served() -> Iterator[str]:
    """A server of `servers.ANSWERS` in a process of its own: threads must not be where forks are.

    It is nobody's child, so that nobody waits for it, and ends when this process does.
    """
    (told, telling), (held, holding) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(holding)
        if os.fork() == 0:
            with serving(servers.answer) as server:
                os.write(telling, server.url.encode())
                os.read(held, 1)
        os._exit(0)
    os.waitpid(child, 0)
    try:
        yield os.read(told, 100).decode()
    finally:
        os.close(holding)


def undisturbed(root: Path, address: str, last: str) -> dict[str, Command]:
    """Each command by its name, after a run of it in a folder that has what it needs."""
    begin, commands = root / "begin", {}
    write_materials(begin, root / "configs")
    data = root / "data"
    for made in plan(root, begin, data, address):
        commands[made.name] = measure(made, root)
        if made.name == "download":
            shutil.copytree(root / "after" / "download", data)
        if made.name == last:
            break
    return commands


def plan(root: Path, begin: Path, data: Path, address: str) -> Iterator[Command]:
    """Commands; the folders in which the later ones begin are made from those of the earlier."""
    after = root / "after"
    here = {"HINDI_BN_UCI_URL": f"{address}/whole"}
    yield Command("download", ["download", "digits.zip"], begin)
    yield Command("train", ["train", "--config", "one.yaml"], data, ["--resume"])
    sweep = ["sweep", "s.yaml", "--workers", "1"]
    yield Command("sweep", sweep, data, ["--retry-failed"])
    yield Command("evidence", ["evidence", "add"], after / "sweep")
    yield Command("download from a server", ["download", "--source", "uci"], begin, variables=here)
    yield Command("download --force", ["download", "digits.tar.gz", "--force"], data)
    yield Command("train --overwrite", ["train", "--config", "one.yaml", "--overwrite"],
                  after / "train")  # fmt: skip
    yield Command("reproduce", ["reproduce", "--config", "pair.yaml"], data)
    trained = less(after / "reproduce", root / "trained", "pair/comparison")
    yield Command("compare", ["compare", "--config", "pair.yaml"], trained)
    claims = ["claims", "run", "--seeds", "1", "--workers", "1"]
    yield Command("claims", claims, data, ["--retry-failed"])
    yield Command("claims of trained runs", claims, less(after / "claims", root / "run", "claims"))


def less(source: Path, folder: Path, what: str) -> Path:
    """A copy of a folder without a part of its results."""
    shutil.copytree(source, folder)
    shutil.rmtree(folder / "results" / what)
    return folder


def measure(made: Command, root: Path) -> Command:
    """Run a command twice, note its moments, and hold the two folders against each other."""
    trees, counts, ended = [], [0, 0], None
    for number in range(2):
        folder = root / ("after" if number else "once") / made.name.replace(" ", "-")
        shutil.copytree(made.before, folder)
        lines = [root / f"{made.name}-{place}-{number}" for place in ("command", "worker")]
        began = time.monotonic()
        ended = made.run(folder, _noted(lines[0]), in_worker(_noted(lines[1])))
        seconds = time.monotonic() - began
        if not ended.done:
            sys.exit(f"{made.name} does not run undisturbed: {ended.told}")
        trees.append(tree_of(folder))
        counts = [len(file.read_text().splitlines()) if file.exists() else 0 for file in lines]
    made = Command(made.name, made.arguments, made.before, made.again, made.variables, trees[1],
                   (counts[0], counts[1]), seconds, ended.peak)  # fmt: skip
    if trees[0] != trees[1]:
        names = {n for n in trees[0].keys() | trees[1].keys() if trees[0].get(n) != trees[1].get(n)}
        sys.exit(f"{made.name} gives other files each time: {sorted(names)}")
    return made


def _noted(file: Path) -> Fault:
    """Note the moments of the process in which this is called."""
    return lambda: noting(file)()  # noqa: PLW0108 (it opens the file)


def write_materials(folder: Path, configs: Path) -> None:
    """Archives of the tiny digits, studies, a sweep, a claim, and a picture to be told."""
    folder.mkdir()
    (folder / "tmp").mkdir()
    write_zip(folder / "digits.zip", small_files())
    write_tar(folder / "digits.tar.gz", small_files())
    for name, study in STUDIES.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({"name": name, **SMALL, **study}))
    (folder / "s.yaml").write_text(yaml.safe_dump(SWEEP))
    claims = configs / "claims"
    claims.mkdir(parents=True)
    (claims / "01-shape.yaml").write_text(yaml.safe_dump(CLAIM))
    (claims / "families.yaml").write_text("families: [[1]]\n")
    picture = Image.new("L", (120, 120), 255)
    ImageDraw.Draw(picture).arc((30, 20, 90, 100), 20, 300, fill=0, width=12)
    picture.save(folder / "picture.png")
