"""Firefox without a driver program (Debian has none): its own Marionette protocol, on a socket.

A message is its length, a colon, and JSON: [0, number, command, parameters] there, [1, number,
error, result] back (firefox-source-docs.mozilla.org/testing/marionette/Protocol.html).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
PATIENCE = 60  # seconds
PREFERENCES = """
user_pref("marionette.port", 0);
user_pref("network.proxy.type", 1);
user_pref("network.proxy.socks", "127.0.0.1");
user_pref("network.proxy.socks_port", 9);
user_pref("network.proxy.socks_remote_dns", true);
"""
"""Any free port for Marionette; every connection to the network goes nowhere."""


class Firefox:
    """A session with a Firefox that listens at a port."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._number = 0
        self._read()  # its greeting
        self.call("WebDriver:NewSession", capabilities={})
        self.call("WebDriver:SetTimeouts", script=1000 * PATIENCE)

    def call(self, command: str, **parameters: Any) -> Any:
        self._number += 1
        message = json.dumps([0, self._number, command, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self._read()
        assert error is None, error
        return result

    def ask(self, script: str, *arguments: Any) -> Any:
        """Run an async function's body in the page, with `args`; give what it returns.

        By a script element: Marionette's own scripts do not see what a page's scripts declare.
        """
        inside = (
            f"{{ const args = {json.dumps(arguments)}, say = (words) => document.documentElement"
            ".setAttribute('data-answer', JSON.stringify(words));"
            f"(async () => {{ {script} }})().then((x) => say([null, x === undefined ? null : x]), "
            "(e) => say([`${e} ${e.stack}`, null])); }"
        )
        outside = """
            const done = arguments[1], root = document.documentElement;
            root.removeAttribute("data-answer");
            const script = document.createElement("script");
            script.textContent = arguments[0];
            document.body.append(script);
            const look = () => root.hasAttribute("data-answer")
              ? done(root.getAttribute("data-answer")) : setTimeout(look, 20);
            look();
        """
        found = self.call("WebDriver:ExecuteAsyncScript", script=outside, args=[inside])
        failed, value = json.loads(found["value"])
        assert failed is None, failed
        return value

    def close(self) -> None:
        self._socket.close()

    def _read(self) -> Any:
        length = b""
        while not length.endswith(b":"):
            length += self._socket.recv(1)
        content = b""
        while len(content) < int(length[:-1]):
            content += self._socket.recv(int(length[:-1]) - len(content))
        return json.loads(content)


@contextlib.contextmanager
def firefox(profile: Path) -> Iterator[Firefox]:
    """A headless Firefox with a new profile in this folder; skips where there is none."""
    if FIREFOX is None:
        pytest.skip("there is no firefox (Debian: firefox-esr)")
    (profile / "user.js").write_text(PREFERENCES)
    process = subprocess.Popen(
        [FIREFOX, "--headless", "--marionette", "--no-remote", "--profile", str(profile)],
        env=os.environ | {"HOME": str(profile)},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        where, until = profile / "MarionetteActivePort", time.monotonic() + PATIENCE
        while not (where.exists() and where.read_text()):
            assert time.monotonic() < until, "Firefox does not listen"
            time.sleep(0.1)
        with contextlib.closing(Firefox(int(where.read_text()))) as session:
            yield session
    finally:
        process.terminate()
        process.wait(PATIENCE)
