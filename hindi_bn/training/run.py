"""One run from start (or checkpoint) to its finished folder."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hindi_bn import engine, environment
from hindi_bn.digits import Digits
from hindi_bn.errors import RunError, RunInterrupted
from hindi_bn.files import one_line, sha256_of
from hindi_bn.networks import build_run, check
from hindi_bn.networks.preserved import preserved
from hindi_bn.records import Checkpoint, Record, RunFolder
from hindi_bn.records.log import RunLog
from hindi_bn.study import Run, Study
from hindi_bn.study.old_names import from_record
from hindi_bn.study.words import counted
from hindi_bn.training.busy import noticing
from hindi_bn.training.checkpoint import restore, snapshot
from hindi_bn.training.device import check_precision, choose_device, prepare
from hindi_bn.training.gpu.graphs import trainer_of
from hindi_bn.training.loop import EpochRow, OnStep, learner_of, make_optimizer, run_epochs
from hindi_bn.training.recorder import Recorder
from hindi_bn.training.rng import move_to_run
from hindi_bn.training.tensors import run_tensors, training_digits

DRAWING = {"network", "norm", "norm_layers", "init", "options", "halved", "epochs"}
"""Settings on which it depends how much a run draws from the stream that runs on."""


@dataclass(frozen=True)
class Reporter:
    """Whom to call while a run trains: with steps done and in all, rows, notes for the user."""

    step: OnStep = lambda done, steps: None
    epoch: Callable[[EpochRow], None] = lambda row: None
    note: Callable[[str], None] = lambda text: None


def train_run(
    study: Study,
    name: str,
    digits: Digits,
    out: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    command: str = "",
    claims: Mapping[str, str] | None = None,
    reporter: Reporter = Reporter(),
) -> Record:
    """Train one run of a study into `<out>/<study>/<name>/`.

    `resume` goes on from the checkpoint of an unfinished run, or starts one; `overwrite` deletes
    what an earlier run recorded in the folder. `claims` are the claims that it is trained for, each
    with the digest of its rule; environment.json keeps them.

    Raises:
        RunError: The folder has epochs without `resume` or `overwrite`, or cannot be used.
        StudyError: The device, its precision, the engine, or what is to be recorded is not there.
        DivergedError: The loss is no longer finite; the history so far is kept.
        RunInterrupted: On Ctrl-C, after everything finished has been saved.
    """
    run, folder = study.run(name), run_folder(study, name, out)
    device = choose_device(study.device)
    check_precision(study.precision, device)
    engine.refuse(study, run)
    with folder.locked():
        if folder.exists and (overwrite or not (resume or folder.begun)):
            folder.clear()
        elif folder.exists and not resume:
            state = "a finished run" if folder.finished else "an unfinished run"
            raise RunError(
                f"{folder.path} already holds {state}.",
                "Nothing is overwritten unasked.",
                "add --resume to go on with it, --overwrite to replace it, or --out DIR to train "
                "elsewhere",
            )
        elif folder.finished:
            record = folder.read()
            wanted = settings_of(study, _as_begun(run, record.run), digits.digests)
            _refuse_difference(folder.path, recorded_settings(record), wanted)
            folder.verify()
            folder.remove_leftovers()
            reporter.note(f"{folder.path} is finished; nothing to resume.")
            return record
        folder.remove_leftovers()
        prepare(study.threads, device, study.precision)
        log = RunLog(folder)
        with preserved(), log.ending():
            about = environment_of(digits, device, command) | ({"claims": claims} if claims else {})
            logged = _logged(reporter, run, log)
            _train(study, run, digits, folder, device, command, about, logged, log)
        return folder.read()


def run_folder(study: Study, name: str, out: Path) -> RunFolder:
    """Folder of a study's run."""
    return RunFolder(study.folder(out) / name)


def load_network(record: Record) -> nn.Sequential:
    """Build a finished run's network with its trained weights, on the CPU in eval mode.

    RunError where the weights are those of another network.
    """
    with preserved():
        network = build_run(record.run, record.study.image_size)
    try:
        network.load_state_dict(RunFolder(record.folder).read_weights())
    except RuntimeError as error:
        raise RunError(
            f"The weights in {record.folder} do not fit its network.",
            one_line(error),
            "train this run again with --overwrite",
        ) from error
    return network.eval()


def initial_network(record: Record) -> nn.Sequential:
    """Build a run's network as it was before its first step, on the CPU in eval mode."""
    with preserved():
        move_to_run(record.study, record.run.name)
        network = build_run(record.run, record.study.image_size)
    return network.eval()


def settings_of(study: Study, run: Run, digests: Mapping[str, str]) -> dict[str, Any]:
    """Return everything that a run's numbers depend on, device and threads aside."""
    before = study.runs[: study.position(run.name)] if study.stream == "continued" else ()
    return {
        "run": run.model_dump(mode="json"),
        "seed": study.seed,
        "precision": study.precision,
        "numerics": engine.numerics_of(study, run),
        "before": [earlier.model_dump(mode="json", include=DRAWING) for earlier in before],
        "data": dict(digests),
    }


def recorded_settings(record: Record) -> dict[str, Any]:
    """Return what a recorded run's numbers depend on; see `settings_of`."""
    return settings_of(record.study, record.run, record.environment["data"]["sha256"])


def environment_of(digits: Digits, device: torch.device, command: str) -> dict[str, Any]:
    """Return what environment.json tells of a run that starts now."""
    data = {"title": digits.title, "source": digits.source, "identical": digits.identical}
    return {
        **environment.describe(device.type),
        "data": {**data, "sha256": dict(digits.digests)},
        "command": command,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _train(
    study: Study, run: Run, digits: Digits, folder: RunFolder, device: torch.device, command: str,
    about: dict[str, Any], reporter: Reporter, log: RunLog,
) -> None:  # fmt: skip
    began = time.perf_counter()
    checkpoint = folder.read_checkpoint() if folder.resumable else None
    recorded = _with_defaults(checkpoint.settings) if checkpoint else {}
    run = _as_begun(run, Run.model_validate(recorded["run"])) if recorded else run
    used = training_digits(digits, run)
    check(run, len(used.train_labels), study.image_size)
    move_to_run(study, run.name)
    network = build_run(run, study.image_size).to(device)
    data = run_tensors(used, run, device)
    recorder = Recorder(folder, run, network, data)  # refuses before anything is written
    optimizer = make_optimizer(run, network)
    settings = settings_of(study, run, digits.digests)
    rows: list[dict[str, float]] = []
    if checkpoint:
        _refuse_difference(folder.path, recorded, settings)
        written = settings_of(*folder.read_settings(), digits.digests)
        _refuse_difference(folder.path / "run.yaml", recorded, written)
        restore(checkpoint.tensors, network, optimizer)
        rows = checkpoint.rows
        recorder.files.update(checkpoint.files)
        reporter.note(f"Resuming {folder.path} after {counted(len(rows), 'epoch')}.")
    else:
        folder.write_settings(study, run, command)
    recorder.files.setdefault("run.yaml", sha256_of(folder.path / "run.yaml"))
    numerics = settings["numerics"]
    described = about | {"numerics": numerics}
    if numerics == "engine":
        described["engine"] = engine.describe()
    folder.write_environment(described)
    folder.write_history(rows, run.history_columns)
    log.write(_begun(study, run, described, sum(each.numel() for each in network.parameters())))

    def save() -> None:
        state = snapshot(network, optimizer)
        folder.write_checkpoint(Checkpoint(state, rows, settings, recorder.files))

    learner = recorder.watched(learner_of(run, network, optimizer, study.precision, numerics))
    step = noticing(reporter.step, reporter.note) if device.type == "cpu" else reporter.step
    trainer = trainer_of(learner, data, run, reporter.note)
    training = run_epochs(
        run, trainer, len(data.train_labels),
        first=len(rows), seconds=rows[-1]["seconds"] if rows else 0.0,
        on_step=recorder.begin(len(rows), step), on_losses=recorder.losses,
    )  # fmt: skip
    try:
        save()
        for row in training:
            rows.append(asdict(row) | recorder.keep(row.epoch))
            folder.write_history(rows, run.history_columns)
            save()
            reporter.epoch(row)
        seconds = {"training": rows[-1]["seconds"], "total": time.perf_counter() - began}
        folder.write_environment({**described, "seconds": seconds})
        recorder.finish()
        folder.finish(network.state_dict(), len(rows), recorder.files)
    except KeyboardInterrupt as interrupt:
        raise RunInterrupted(folder.path, len(rows), run.epochs) from interrupt


def _logged(reporter: Reporter, run: Run, log: RunLog) -> Reporter:
    """Return a reporter that writes rows and notes into the run's log, too."""

    def epoch(row: EpochRow) -> None:
        values = {key: value for key, value in asdict(row).items() if key != "epoch"}
        said = ", ".join(f"{key} {value:.6g}" for key, value in values.items())
        log.write(f"Epoch {row.epoch + 1} of {run.epochs}: {said}", told=True)
        reporter.epoch(row)

    def note(text: str) -> None:
        log.write(text, told=True)
        reporter.note(text)

    return replace(reporter, epoch=epoch, note=note)


def _begun(study: Study, run: Run, described: Mapping[str, Any], parameters: int) -> str:
    """Return the line of the log that says what is trained, and how."""
    return (
        f"{described['command'] or 'Training'}: study {study.name}, run {run.name}, seed "
        f"{study.seed}; network {run.network}, norm {run.norm.name}, {parameters:,} parameters; "
        f"data: {described['data']['title']}; {described['device']} "
        f"({described['device_name']}), {described['threads']} threads, numerics "
        f"{described['numerics']}, torch {described['versions']['torch']}"
    )


def _as_begun(run: Run, begun: Run) -> Run:
    """Add the pair of weights that a run of the version before recorded unasked."""
    pair = begun.recorded_pair()
    if pair is None or run.recorded_pair() is not None:
        return run
    return run.model_copy(update={"recordings": (pair, *run.recordings)})


def _with_defaults(settings: dict[str, Any]) -> dict[str, Any]:
    """Add the settings that a run of an older version did not have, as they are by default."""
    run = Run.model_validate(from_record(settings["run"])).model_dump(mode="json")
    before = [
        Run.model_validate({"name": "before", **each}).model_dump(mode="json", include=DRAWING)
        for each in settings["before"]
    ]
    return {**from_record(settings), "run": run, "before": before}


def _refuse_difference(folder: Path, recorded: dict[str, Any], wanted: dict[str, Any]) -> None:
    differing = sorted(_differences(recorded, wanted, ""))
    if differing:
        raise RunError(
            f"{folder} was trained with other settings.",
            "; ".join(differing) + ".",
            "resume with the settings it was started with, or replace it with --overwrite",
        )


def _differences(recorded: Any, wanted: Any, key: str) -> list[str]:
    if isinstance(recorded, dict) and isinstance(wanted, dict):
        found = []
        for part in recorded.keys() | wanted.keys():
            inner = f"{key}.{part}".removeprefix(".")
            found += _differences(recorded.get(part), wanted.get(part), inner)
        return found
    return [] if recorded == wanted else [f"{key} was {recorded!r}, now {wanted!r}"]
