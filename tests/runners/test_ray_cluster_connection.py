"""Reaching a Ray cluster: joined, started, or refused soon and in words."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from ray_jobs import job
from tiny import tiny_digits

from hindi_bn.errors import HindiBnError
from hindi_bn.runners import ray_cluster
from hindi_bn.runners.ray_runner import RayRunner


def runner_error(address: str | None = None) -> HindiBnError:
    with pytest.raises(HindiBnError) as caught:
        list(RayRunner(address).run([job(Path("nowhere"))], tiny_digits()))
    return caught.value


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert runner_error().next_step == "pip install 'hindi-bn[cluster]'"


@pytest.fixture
def port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_an_address_without_a_cluster_is_refused_soon(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "CONNECT_SECONDS", 0.6)
    silent = runner_error(f"127.0.0.1:{port}")
    assert silent.what == f"The Ray cluster at '127.0.0.1:{port}' cannot be reached."
    assert silent.why == "It has not answered within 0.6 seconds."
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    assert "Nothing listens there" in runner_error(f"127.0.0.1:{number}").why
    monkeypatch.setattr(ray_cluster, "CONNECT_SECONDS", 30.0)
    monkeypatch.setattr(ray_cluster, "_PROBE", "raise ConnectionError('no cluster runs here')")
    assert runner_error("auto").why == "ConnectionError: no cluster runs here"


class Connection(ModuleType):
    """Stands in for Ray: keeps what it was started with, and where it is connected."""

    def __init__(self, here: str | None = None) -> None:
        super().__init__("ray")
        self.here, self.given, self.ended = here, dict[str, Any](), 0
        self.environment: dict[str, str] = {}
        self.clusters = True
        self.read: list[str | None] = []
        self._private = SimpleNamespace(ray_constants=SimpleNamespace(ENABLE_RAY_CLUSTER=True))
        loader = SimpleNamespace(reset_cache=self.read_token)
        self._raylet = SimpleNamespace(
            Config=SimpleNamespace(initialize=lambda text: None),
            AuthenticationTokenLoader=SimpleNamespace(instance=lambda: loader),
        )

    def read_token(self) -> None:
        self.read.append(os.environ.get("RAY_AUTH_TOKEN_PATH"))

    def is_initialized(self) -> bool:
        return self.here is not None

    def get_runtime_context(self) -> SimpleNamespace:
        return SimpleNamespace(gcs_address=self.here)

    def init(self, **given: Any) -> None:
        self.given, self.environment = given, dict(os.environ)
        self.clusters = self._private.ray_constants.ENABLE_RAY_CLUSTER

    def shutdown(self) -> None:
        self.ended += 1


def test_a_cluster_is_started_quietly_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection()
    monkeypatch.setitem(sys.modules, "ray", connection)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    monkeypatch.setattr(ray_cluster, "available_cores", lambda: 3)
    with ray_cluster.connected(None) as module:
        assert module is connection
        folder = Path(connection.given["_temp_dir"]).parent
        assert folder.is_dir()
        assert len(str(folder)) < 40  # Ray puts sockets with long names into it
        assert os.environ["OMP_NUM_THREADS"] == "2"
    assert not folder.exists()
    assert connection.ended == 1
    assert connection.given["address"] == "local"
    assert connection.given["num_cpus"] == 3
    assert connection.given["include_dashboard"] is False
    assert connection.environment["OMP_NUM_THREADS"] == "1"
    assert connection.environment["RAY_USAGE_STATS_ENABLED"] == "0"
    assert "RAY_USAGE_STATS_ENABLED" not in os.environ


def test_a_cluster_started_here_is_this_users_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection()
    monkeypatch.setitem(sys.modules, "ray", connection)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "of another cluster")
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    with ray_cluster.connected(None):
        token = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
        assert (token.stat().st_mode & 0o777, token.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        assert len(token.read_text()) == 64
        assert Path(connection.given["_temp_dir"]).parent == token.parent
        assert connection.environment["RAY_AUTH_MODE"] == "token"
        assert "RAY_AUTH_TOKEN" not in connection.environment
        assert connection.environment["TMPDIR"].startswith(f"{token.parent}/")
    assert not connection.clusters  # it listens on 127.0.0.1
    assert connection._private.ray_constants.ENABLE_RAY_CLUSTER
    assert connection.read == [str(token), None]  # read again when the settings changed
    assert os.environ["RAY_AUTH_TOKEN"] == "of another cluster"
    assert not token.parent.exists()


def test_a_cluster_that_answers_is_joined(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    connection, address = Connection(), f"127.0.0.1:{port}"
    monkeypatch.setitem(sys.modules, "ray", connection)
    monkeypatch.setattr(ray_cluster, "_PROBE", "import sys; assert sys.argv[1].count(':') == 1")
    with ray_cluster.connected(address):
        assert connection.given["address"] == address
        assert "num_cpus" not in connection.given
    assert connection.ended == 1


def test_a_connection_that_is_there_is_used_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection("10.0.0.1:6379")
    monkeypatch.setitem(sys.modules, "ray", connection)
    for address in (None, "auto", "10.0.0.1:6379"):
        with ray_cluster.connected(address):
            assert connection.given == {}
    with pytest.raises(HindiBnError, match=r"not '10\.0\.0\.2:6379'"):
        ray_cluster.connected("10.0.0.2:6379").__enter__()
    assert connection.ended == 0
