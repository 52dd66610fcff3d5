"""Servers that are slow, that lie, or that break off: a behaviour per first part of the path."""

from __future__ import annotations

import functools
import io
import socket
import struct
import zipfile

from local_server import Answer, Request, half_then_nothing, no_answer, status, whole
from small_digits import ROOT, small_files


@functools.cache
def archive() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        for name, data in small_files().items():
            opened.writestr(name, data)
    return packed.getvalue()


PAGE = b"<!DOCTYPE html><title>Just a moment</title>" * 20


def claimed_length(claimed: int, body: bytes) -> Answer:
    def answer(request: Request) -> None:
        request.begin(200, claimed)
        request.wfile.write(body)

    return answer


def reset(sent: int) -> Answer:
    """So many bytes, then a connection that is reset."""

    def answer(request: Request) -> None:
        request.begin(200, len(archive()))
        request.wfile.write(archive()[:sent])
        request.wfile.flush()
        linger = struct.pack("ii", 1, 0)
        request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        request.connection.close()

    return answer


def another_range(request: Request) -> None:
    """A part, whatever was asked for."""
    place = f"bytes 100-{len(archive()) - 1}/{len(archive())}"
    request.reply(206, archive()[100:], Content_Range=place)


def sent_on(request: Request) -> None:
    request.reply(302, Location=request.path)


def elsewhere(location: str) -> Answer:
    return lambda request: request.reply(302, Location=location)


def dripping(request: Request) -> None:
    """A byte, and another one, without end."""
    request.begin(200, len(archive()))
    for byte in archive():
        request.wfile.write(bytes([byte]))
        request.wfile.flush()
        if request.server.closing.wait(0.2):
            return


def flipped(request: Request) -> None:
    data = bytearray(archive())
    data[len(data) // 2] ^= 16
    whole(bytes(data))(request)


def endless_headers(request: Request) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 200_000 + b"\r\n\r\n")


def no_http(request: Request) -> None:
    request.wfile.write(b"\x00\xff" * 500)


def not_gzip(request: Request) -> None:
    request.reply(200, archive(), Content_Encoding="gzip")


def bomb(request: Request) -> None:
    """A zip of 1 MB that unpacks to a gigabyte."""
    packed = io.BytesIO()
    zeros = zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED)
    with zeros as opened, opened.open(f"{ROOT}/Train/digit_0/1.png", "w") as member:
        for _ in range(1024):
            member.write(bytes(2**20))
    request.reply(200, packed.getvalue())


ANSWERS: dict[str, Answer] = {
    "page": whole(PAGE),
    "empty": whole(b""),
    "half": whole(archive()[: len(archive()) // 2]),
    "flipped": flipped,
    "longer": claimed_length(2 * len(archive()), archive()),
    "shorter": claimed_length(len(archive()) // 2, archive()),
    "huge": claimed_length(10**15, b"PK"),
    "negative": claimed_length(-5, b"PK"),
    "reset at once": reset(0),
    "reset later": reset(3000),
    "another range": another_range,
    "loop": sent_on,
    "to a file": elsewhere("file:///etc/passwd"),
    "to nowhere": elsewhere("http://127.0.0.1:9/"),
    "to nonsense": elsewhere("http://[::bad"),
    "silent": no_answer,
    "stops": half_then_nothing(archive()),
    "dripping": dripping,
    "headers": endless_headers,
    "no http": no_http,
    "not gzip": not_gzip,
    "bomb": bomb,
    **{str(code): status(code) for code in (204, 400, 401, 403, 404, 416, 429, 500, 503, 999)},
}
"""What must be refused with one message."""


def answer(request: Request) -> None:
    """Behave as the first part of the path says."""
    name = request.url_path.split("/")[1].replace("%20", " ")
    (ANSWERS | {"whole": whole(archive())})[name](request)
