"""The connection to a Ray cluster: one that exists, or one started here and shut down again."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

from hindi_bn.errors import HindiBnError
from hindi_bn.runners.plan import available_cores
from hindi_bn.runners.scratch import scratch

CONNECT_SECONDS = 30.0
"""How long a cluster may take to answer; Ray itself would try for many minutes."""

STORE_BYTES = 256 * 2**20
"""Object store of a cluster started here: the digits (20 MB, MNIST 55 MB) and the runs' files."""

_SILENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
_PROBE = "import logging, sys, ray; ray.init(address=sys.argv[1], logging_level=logging.ERROR)"


def import_ray() -> ModuleType:
    """Return Ray's module; HindiBnError when the extra `cluster` is not installed."""
    try:
        import ray
    except ImportError as error:
        raise HindiBnError(
            "Runs cannot be sent to a Ray cluster.",
            f"The package ray cannot be imported: {error}.",
            "pip install 'hindi-bn[cluster]'",
        ) from error
    return ray


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[ModuleType]:
    """Connect this process to a cluster; gives Ray's module while it is connected.

    The address is `HOST:PORT` of a cluster's head, or `auto` for one that runs on this machine.
    None starts a cluster on this machine with all cores that this process may use, and shuts it
    down in the end. A connection that the process already has is used and left as it is.
    HindiBnError when Ray is not installed, the cluster does not answer, or the process is connected
    to another one.
    """
    ray = import_ray()
    if ray.is_initialized():
        _refuse_another(ray, address)
        yield ray
        return
    with _environment(_SILENT), _started(ray) if address is None else _joined(ray, address):
        yield ray


@contextlib.contextmanager
def _started(ray: ModuleType) -> Iterator[None]:
    # Sockets lie in this folder, and a socket's path may have little more than 100 letters.
    place = "/tmp" if Path("/tmp").is_dir() else None  # nosec B108 # by mkdtemp
    with scratch("hindi-bn-ray-", place) as folder, _kept_to_oneself(ray, folder):
        (runs := folder / "tmp").mkdir()
        own = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TMPDIR": str(runs)}
        try:
            with _environment(own):
                ray.init(
                    address="local", num_cpus=available_cores(), include_dashboard=False,
                    object_store_memory=STORE_BYTES, log_to_driver=False,
                    logging_level=logging.ERROR, _temp_dir=str(folder / "ray"),
                )  # fmt: skip
            yield
        finally:
            ray.shutdown()


@contextlib.contextmanager
def _kept_to_oneself(ray: ModuleType, folder: Path) -> Iterator[None]:
    """Have what Ray starts listen on this machine alone, and ask for a token of its own.

    Ray keeps settings and token from when they were first read, and has no public way to say that
    they changed. Its servers listen on 127.0.0.1 where it believes that there are no clusters, as
    on macOS; elsewhere it takes no such address.
    """
    token = folder / "token"
    with os.fdopen(os.open(token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    asked = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": None, "RAY_AUTH_TOKEN_PATH": str(token)}
    constants = ray._private.ray_constants
    clusters, constants.ENABLE_RAY_CLUSTER = constants.ENABLE_RAY_CLUSTER, False
    try:
        with _environment(asked):
            _read_again(ray)
            yield
    finally:
        constants.ENABLE_RAY_CLUSTER = clusters
        _read_again(ray)


def _read_again(ray: ModuleType) -> None:
    ray._raylet.Config.initialize("")
    ray._raylet.AuthenticationTokenLoader.instance().reset_cache()


@contextlib.contextmanager
def _joined(ray: ModuleType, address: str) -> Iterator[None]:
    _refuse_silent(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        yield
    finally:
        ray.shutdown()


def _refuse_silent(address: str) -> None:
    """Refuse an address where no cluster answers; found out in a process that can be stopped."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in host:
        try:
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS / 3).close()
        except (OSError, OverflowError) as error:
            raise _unreachable(address, f"Nothing listens there: {error}.") from error
    command = [sys.executable, "-c", _PROBE, address]
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=CONNECT_SECONDS, check=True)
    except subprocess.TimeoutExpired as error:
        why = f"It has not answered within {CONNECT_SECONDS:g} seconds."
        raise _unreachable(address, why) from error
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or ["Ray could not connect."]
        raise _unreachable(address, lines[-1]) from error


def _unreachable(address: str, why: str) -> HindiBnError:
    return HindiBnError(
        f"The Ray cluster at {address!r} cannot be reached.",
        why,
        "look at `ray status` on its head and give its HOST:PORT with --ray-address; "
        "without an address a cluster is started on this machine",
    )


def _refuse_another(ray: ModuleType, address: str | None) -> None:
    here = ray.get_runtime_context().gcs_address
    if address not in (None, "auto", here):
        raise HindiBnError(
            f"This process is connected to the Ray cluster at {here!r}, not {address!r}.",
            "A process can have one such connection.",
            "call ray.shutdown() first, or give no address",
        )


@contextlib.contextmanager
def _environment(values: Mapping[str, str | None]) -> Iterator[None]:
    """Set environment variables, or take them away, and put them back in the end."""
    before = {name: os.environ.get(name) for name in values}
    try:
        _set(values)
        yield
    finally:
        _set(before)


def _set(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
