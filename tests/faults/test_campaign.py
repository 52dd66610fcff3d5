"""The campaign can fail: faults that are planted in the product are reported."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
from scripts import importing

from faults import table
from faults.campaign import Campaign, shuffled
from faults.children import Ended
from faults.flips import flip
from faults.moments import noting
from faults.table import Outcome
from faults.trees import differences, tree_of
from faults.tries import Try, refused, refused_or_same

REFUSED = Ended(1, "", "Error: It is damaged.\nWhy: It is.\nNext: fetch it again\n", 0)


def test_a_file_that_is_lost_left_over_or_other_is_named(tmp_path: Path) -> None:
    for folder, files in (("a", {"x": "1", "y": "2"}), ("b", {"y": "3", ".z.tmp": ""})):
        (tmp_path / folder).mkdir()
        for name, text in files.items():
            (tmp_path / folder / name).write_text(text)
    found = differences(tree_of(tmp_path / "a"), tree_of(tmp_path / "b"))
    assert found == ".z.tmp is left over; x is lost; y differs"
    assert differences(tree_of(tmp_path / "a"), tree_of(tmp_path / "a")) == ""


def test_times_alone_make_no_difference(tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    trees = []
    for text in ("epoch,seconds,loss\n0,1.5,0.1\n", "epoch,seconds,loss\n0,1.7,0.1\n",
                 "epoch,seconds,loss\n0,1.5,0.10000000000000002\n"):  # fmt: skip
        file.write_text(text)
        trees.append(tree_of(tmp_path))
    assert trees[0] == trees[1] != trees[2]


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (REFUSED, ""),
        (Ended(0, "3", "", 0), ""),
        (Ended(0, "4", "", 0), "another answer"),
        (Ended(1, "", "Traceback (most recent call last):\nKeyError: 5", 0), "traceback: KeyError"),
        (Ended(1, "", "", 0), "no message"),
        (Ended(-11, "", "", 0), "exit code -11"),
        (Ended(-14, "", "", 0), "no end"),
    ],
)
def test_a_reader_of_damage_says_one_message_or_the_same(ended: Ended, said: str) -> None:
    found = refused_or_same(ended, Ended(0, "3", "", 0))
    assert said in found
    assert bool(found) == bool(said)


def test_hostile_input_is_refused_in_bounded_memory() -> None:
    assert refused(REFUSED, peak=0) == ""
    assert "taken" in refused(Ended(0, "ok", "", 0), peak=0)
    assert "200 MB more" in refused(Ended(1, "", REFUSED.err, 300 * 2**20), peak=100 * 2**20)


def test_a_flip_changes_one_bit_and_no_time(tmp_path: Path) -> None:
    (file := tmp_path / "file").write_bytes(b"\x00\x00")
    before = file.stat().st_mtime_ns
    flip(file, 11)
    assert file.read_bytes() == b"\x00\x08"
    assert file.stat().st_mtime_ns == before


def test_each_change_of_the_disk_is_a_moment(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from faults.moments import noting\n"
        "noting(Path('seen'))(); file = Path('x'); file.write_text('1'); file.read_text()\n"
        "os.fsync(2); file.rename('y'); os.mkdir('z'); os.rmdir('z'); Path('y').unlink()\n"
    )
    subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=importing(__file__), check=True
    )
    seen = (tmp_path / "seen").read_text().split()
    made = ["open", "os.fsync", "os.rename", "os.mkdir", "os.rmdir", "os.remove"]
    assert seen[: len(made)] == made  # a coverage measured beside it changes the disk at the end
    assert noting(tmp_path / "other") is not None


def test_what_a_command_says_is_heard_where_files_have_no_room(tmp_path: Path) -> None:
    script = (
        "import os, resource; from faults.children import Said\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); said = Said()\n"
        "os.write(said.theirs, b'Error: '); said.only_listen(); print(said.read() + 'full')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=importing(__file__),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "Error: full\n"


def test_a_table_is_put_into_a_document_and_written_as_json(tmp_path: Path) -> None:
    outcomes = [Outcome("kill", "train"), Outcome("kill", "train", "x is lost")]
    (file := tmp_path / "a.md").write_text(f"Before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    for _ in range(2):
        table.into_document(file, table.table(outcomes), "make faults", 120)
    assert file.read_text() == (
        f"Before\n{table.BEGIN}\nBy `make faults`, in 2 minutes.\n\n"
        "| fault | place | tried | held |\n|---|---|--:|--:|\n| kill | train | 2 | 1 |\n"
        f"| all |  | 2 | 1 |\n{table.END}\nafter\n"
    )
    table.write_json(tmp_path / "a.json", outcomes, "make faults", 120)
    assert json.loads((tmp_path / "a.json").read_text())["not held"][0]["wrong"] == "x is lost"
    (tmp_path / "b.md").write_text("no markers")
    with pytest.raises(ValueError, match="has not the lines"):
        table.into_document(tmp_path / "b.md", "", "", 0)


def test_all_kinds_take_turns_in_an_order_that_the_seed_draws() -> None:
    once = [Try("a", str(number), lambda *_: "") for number in range(10)]
    endless = itertools.repeat(Try("b", "", lambda *_: ""))
    tries = Campaign.of([(2, shuffled(once, 1)), (1, endless)], seed=1, minutes=0.1).tries
    assert "".join(one.fault for one in tries) == 5 * "aab" + 45 * "b"
    assert sorted(one.place for one in tries[:15] if one.place) == [str(n) for n in range(10)]
    assert shuffled(once, 1) == shuffled(once, 1) != shuffled(once, 2)


PLANTED = """
import contextlib, dataclasses, functools, json
from random import Random
from faults import flips, kills, workplace
from faults.tries import Try

def report(tries):
    return [one.carry_out(place, Random(number)) for number, one in enumerate(tries)]

@contextlib.contextmanager
def at_once(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w"):
        pass
    yield path

with workplace.workplace(last="train") as place:
    killed = [one for one in kills.kills(place.commands) if one.place == "train"][12:48]
    where, known = dataclasses.replace(flips.PLACES[0], files="results/one/bn/history.csv"), {}
    shown = where.readers.index(["runs", "show", "results/one/bn", "--json"])
    flipped = [Try("", "", functools.partial(flips._flip, where, shown, str(number), known))
               for number in range(400)]
    sound = report(killed[:8]) + report(flipped[:5])
    workplace.plant("replacing", at_once)
    torn = report(killed)
    workplace.plant("refuse_changed", lambda *_: None)
    seen = (wrong for one in flipped for wrong in report([one]))
    believed = any("another answer without a word" in wrong for wrong in seen)  # until the first
    print(json.dumps([sound, torn, believed]))
"""


@pytest.mark.slow
def test_a_writer_in_place_and_a_reader_that_checks_nothing_are_reported(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PLANTED], cwd=tmp_path, env=importing(__file__, OMP_NUM_THREADS="1"),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    sound, torn, believed = json.loads(done.stdout)
    assert not any(sound), sound
    assert any(torn)
    assert believed
