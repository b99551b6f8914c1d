"""A web server on this machine whose answers a test writes."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["Handler"], None]


class Server(ThreadingHTTPServer):
    """Answers by path; remembers each request's path and Range, and how many bytes of bodies it sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages: dict[str, Answer] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.sent = 0
        self.over = threading.Event()

    def url(self, path: str = "/file") -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def ranges(self) -> list[str | None]:
        return [asked for _, asked in self.requests]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that hang up are what the tests are about."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers["Range"]))
        self.server.pages.get(self.path, status(404))(self)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep stderr clean."""

    def head(self, code: int, **fields: str | int) -> None:
        self.send_response(code)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def body(self, content: bytes) -> None:
        self.wfile.write(content)
        self.server.sent += len(content)

    def begin(self, content: bytes) -> bytes:
        """Send the head of an answer that heeds Range; return the body to send."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        start = int(asked[1]) if asked else 0
        if asked:
            place = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.head(206, Content_Range=place, Content_Length=len(content) - start)
        else:
            self.head(200, Content_Length=len(content))
        return content[start:]


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()


def file(content: bytes) -> Answer:
    """Send a file as good servers do."""
    return lambda handler: handler.body(handler.begin(content))


def cut(content: bytes, count: int) -> Answer:
    """Promise the rest of a file, send `count` bytes of it and hang up."""
    return lambda handler: handler.body(handler.begin(content)[:count])


def stall(content: bytes, count: int) -> Answer:
    """Promise the rest of a file, send `count` bytes of it and then nothing more."""

    def answer(handler: Handler) -> None:
        handler.body(handler.begin(content)[:count])
        handler.server.over.wait(30)

    return answer


def reply(code: int, body: bytes = b"", **fields: str | int) -> Answer:
    """Send just this, whatever is asked for."""

    def answer(handler: Handler) -> None:
        handler.head(code, **fields)
        handler.body(body)

    return answer


def status(code: int) -> Answer:
    return reply(code, Content_Length=0)


def raw(content: bytes) -> Answer:
    """Send bytes that need not be HTTP."""
    return lambda handler: handler.body(content)


def in_turn(*answers: Answer) -> Answer:
    """Answer each request by the next of these; the last stays."""
    left = list(answers)

    def answer(handler: Handler) -> None:
        now = left.pop(0) if len(left) > 1 else left[0]
        now(handler)

    return answer


def silent(handler: Handler) -> None:
    """Take a request and say nothing."""
    handler.server.over.wait(30)


def endless(handler: Handler) -> None:
    """Send bytes until the other side hangs up."""
    handler.head(200)
    while not handler.server.over.is_set():
        handler.body(bytes(1 << 16))
