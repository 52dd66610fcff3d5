"""A web server on 127.0.0.1 that stands for UCI and for Kaggle, well-behaved or not."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Answer = Callable[["Request"], None]
KAGGLE_PATH = "/api/v1/datasets.DatasetApiService/DownloadDataset"
TOKEN_PATH = "/api/v1/security.OAuthService/IntrospectToken"


class Request(BaseHTTPRequestHandler):
    """One request; as a proxy's, its path may be a whole URL."""

    protocol_version = "HTTP/1.1"
    server: LocalServer

    def do_GET(self) -> None:
        self.close_connection = True
        length = int(self.headers.get("Content-Length", 0))
        self.body = self.rfile.read(length)
        self.server.requests.append(self.url_path)
        self.server.answer(self)

    def do_POST(self) -> None:
        self.do_GET()

    def do_HEAD(self) -> None:
        self.do_GET()

    @property
    def url_path(self) -> str:
        return urlsplit(self.path).path

    def reply(self, code: int, body: bytes = b"", **headers: str) -> None:
        self.begin(code, len(body), **headers)
        if self.command != "HEAD":
            self.wfile.write(body)

    def begin(self, code: int, length: int, **headers: str) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


class LocalServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.answer = answer
        self.requests: list[str] = []
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that goes away is part of the tests


@contextmanager
def serving(answer: Answer) -> Iterator[LocalServer]:
    server = LocalServer(answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def whole(data: bytes) -> Answer:
    """All of the data, or the part that is asked for."""

    def answer(request: Request) -> None:
        asked = request.headers.get("Range")
        if asked is None:
            request.reply(200, data, Accept_Ranges="bytes", ETag='"1"')
            return
        start = int(asked.removeprefix("bytes=").rstrip("-"))
        place = f"bytes {start}-{len(data) - 1}/{len(data)}"
        request.reply(206, data[start:], Content_Range=place, ETag='"1"')

    return answer


def cut(data: bytes, times: int) -> Answer:
    """Half of the data and then a closed connection, this many times; whole ones afterwards."""
    left = times

    def answer(request: Request) -> None:
        nonlocal left
        if left == 0:
            whole(data)(request)
            return
        left -= 1
        request.begin(200, len(data), Accept_Ranges="bytes", ETag='"1"')
        request.wfile.write(data[: len(data) // 2])

    return answer


def half_then_nothing(data: bytes) -> Answer:
    """Half of the data; the rest never comes."""

    def answer(request: Request) -> None:
        request.begin(200, len(data))
        request.wfile.write(data[: len(data) // 2])
        request.wfile.flush()
        request.server.closing.wait(60)

    return answer


def drip(data: bytes, count: int, headers: bool = False) -> Answer:
    """So many bytes at once, and then one every 0.05 s; `headers`: not even these come whole."""

    def answer(request: Request) -> None:
        if not headers:
            request.begin(200, len(data), Accept_Ranges="bytes", ETag='"1"')
            request.wfile.write(data[:count])
        slow = b"HTTP/1.1 200 OK" if headers else data[count:]
        for byte in slow * (1000 if headers else 1):
            if request.server.closing.wait(0.05):
                return
            request.wfile.write(bytes([byte]))
            request.wfile.flush()

    return answer


def status(code: int) -> Answer:
    return lambda request: request.reply(code)


def no_answer(request: Request) -> None:
    request.server.closing.wait(60)


def kaggle(storage: Answer, user: str = "ann", key: str = "right", token: str = "right") -> Answer:
    """Kaggle: it checks the credentials, then sends the client on to its storage."""
    basic = base64.b64encode(f"{user}:{key}".encode()).decode()

    def answer(request: Request) -> None:
        signed = request.headers.get("Authorization") in {f"Basic {basic}", f"Bearer {token}"}
        if request.url_path.startswith("/storage/"):
            storage(request)
        elif request.url_path == "/":
            request.reply(200)
        elif not signed:
            said = {"code": 401, "message": "Unauthenticated"}
            request.reply(401, json.dumps(said).encode(), Content_Type="application/json")
        elif request.url_path == TOKEN_PATH:
            said = {"active": True, "username": user}
            request.reply(200, json.dumps(said).encode(), Content_Type="application/json")
        else:
            assert request.url_path == KAGGLE_PATH
            asked = json.loads(request.body)
            place = f"http://localhost/storage/{asked['datasetSlug']}.zip"
            request.reply(302, Location=place)

    return answer
