"""Downloads from a server on this machine that does what servers do."""

from __future__ import annotations

import hashlib
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from capacity.data.fetching import download
from capacity.data.fetching.download import fetch
from tests.data_files import leftovers
from tests.download_cases import CONTENT, OTHER, get, part, refuse, wanted
from tests.web_server import (
    Answer,
    Handler,
    Server,
    cut,
    endless,
    file,
    in_turn,
    raw,
    reply,
    serving,
    silent,
    stall,
    status,
)

WHOLE = {"Content_Length": len(CONTENT)}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as running:
        yield running


def test_a_file_arrives_in_a_new_folder(server: Server, tmp_path: Path) -> None:
    server.pages["/file"] = file(CONTENT)
    assert get(tmp_path / "a" / "b", server.url()) == len(CONTENT)
    assert server.requests == [("/file", None)]


def test_a_file_that_is_there_is_not_fetched_again_unless_it_is_damaged(server: Server, tmp_path: Path) -> None:
    server.pages["/file"] = file(CONTENT)
    (tmp_path / "file").write_bytes(CONTENT)
    assert get(tmp_path, server.url()) == len(CONTENT)
    assert server.requests == []
    (tmp_path / "file").write_bytes(OTHER)
    assert get(tmp_path, server.url()) == len(CONTENT)


@pytest.mark.parametrize("size", [0, 5000])
def test_an_empty_answer_and_a_small_one_are_cut_connections(server: Server, tmp_path: Path, size: int) -> None:
    server.pages["/file"] = in_turn(cut(CONTENT, size), file(CONTENT))
    assert get(tmp_path, server.url()) == len(CONTENT)


def test_a_cut_download_goes_on_where_it_stopped_and_no_byte_is_sent_twice(server: Server, tmp_path: Path) -> None:
    server.pages["/file"] = in_turn(cut(CONTENT, 100_000), cut(CONTENT, 50_000), file(CONTENT))
    assert get(tmp_path, server.url()) == len(CONTENT)
    assert server.ranges() == [None, "bytes=100000-", "bytes=150000-"]
    assert server.sent == len(CONTENT)


def test_a_download_that_was_given_up_goes_on_at_the_next_call_and_from_another_address(
    server: Server, tmp_path: Path
) -> None:
    server.pages["/file"] = in_turn(cut(CONTENT, 100_000), status(500))
    assert "answered HTTP 500 (tried 3 times)" in refuse(tmp_path, server.url(), attempts=3)
    assert part(tmp_path) == CONTENT[:100_000]
    server.pages["/mirror"] = file(CONTENT)
    assert get(tmp_path, server.url("/nothing"), server.url("/mirror")) == len(CONTENT)
    assert server.requests[-1] == ("/mirror", "bytes=100000-")
    assert server.sent == len(CONTENT)


def test_headway_earns_new_attempts(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_HEADWAY_BYTES", 30_000)
    server.pages["/file"] = in_turn(*[cut(CONTENT, 40_000)] * 7, file(CONTENT))
    assert get(tmp_path, server.url(), attempts=2) == len(CONTENT)
    assert server.sent == len(CONTENT)
    (tmp_path / "file").unlink()
    server.pages["/file"] = cut(CONTENT, 20_000)
    assert "after 40,000 of 300,000 bytes (tried 2 times)" in refuse(tmp_path, server.url(), attempts=2)


def test_a_complete_part_is_only_checked(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(CONTENT)
    assert get(tmp_path, server.url()) == len(CONTENT)
    assert server.requests == []


@pytest.mark.parametrize("begun", [OTHER[:1000], OTHER, CONTENT + b"x"], ids=["begun", "complete", "too long"])
def test_a_part_of_something_else_costs_one_more_download(server: Server, tmp_path: Path, begun: bytes) -> None:
    (tmp_path / "file.part").write_bytes(begun)
    server.pages["/file"] = file(CONTENT)
    assert get(tmp_path, server.url()) == len(CONTENT)
    assert server.ranges()[-1] is None


@pytest.mark.parametrize(
    ("second", "requests"),
    [
        (reply(200, CONTENT, **WHOLE), 2),
        (reply(200, CONTENT), 2),
        (in_turn(status(416), file(CONTENT)), 3),
        (in_turn(reply(206, CONTENT[5:], Content_Range="bytes 5-299999/300000"), file(CONTENT)), 3),
        (in_turn(reply(206, CONTENT[1000:]), file(CONTENT)), 3),
        (in_turn(reply(206, b"xx", Content_Range="bytes */*", Content_Length=2), file(CONTENT)), 3),
    ],
    ids=["whole", "whole of unknown length", "416", "other range", "no Content-Range", "nonsense"],
)
def test_a_server_that_does_not_honour_the_range_is_asked_anew(
    server: Server, tmp_path: Path, second: Answer, requests: int
) -> None:
    told: list[int] = []
    server.pages["/file"] = in_turn(cut(CONTENT, 1000), second)
    assert fetch(wanted(server.url()), tmp_path, pause=0.01, progress=told.append).read_bytes() == CONTENT
    assert server.ranges() == [None, "bytes=1000-", None][:requests]
    assert min(told) == -1000  # nothing of an answer that does not fit was kept, only to be thrown away later


def test_a_wrong_hash_deletes_the_part_and_says_both(server: Server, tmp_path: Path) -> None:
    server.pages["/file"] = file(OTHER)
    message = refuse(tmp_path, server.url())
    assert hashlib.sha256(OTHER).hexdigest() in message
    assert f"expected {hashlib.sha256(CONTENT).hexdigest()}" in message
    assert "--from" in message
    assert leftovers(tmp_path) == [".file.lock"]
    assert len(server.requests) == 1


def test_a_wrong_hash_after_pieces_is_tried_once_more_in_one_go(server: Server, tmp_path: Path) -> None:
    server.pages["/file"] = in_turn(cut(CONTENT, 1000), file(OTHER))
    assert "sent another file" in refuse(tmp_path, server.url())
    assert server.ranges() == [None, "bytes=1000-", None]
    assert part(tmp_path) is None


def test_a_mirror_is_asked_when_an_address_has_not_the_file(server: Server, tmp_path: Path) -> None:
    server.pages["/other"], server.pages["/good"] = file(OTHER), file(CONTENT)
    urls = [server.url("/gone"), server.url("/other"), server.url("/good")]
    assert get(tmp_path, *urls) == len(CONTENT)
    assert [path for path, _ in server.requests] == ["/gone", "/other", "/good"]


def test_all_answers_are_told_when_no_address_has_it(server: Server, tmp_path: Path) -> None:
    server.pages["/other"] = file(OTHER[:7])
    message = refuse(tmp_path, server.url("/gone"), server.url("/other"))
    assert f"cannot fetch file: {server.url('/gone')} answered HTTP 404; " in message
    assert f"{server.url('/other')} offers a file of 7 bytes: expected 300,000; try again later" in message


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_server_that_is_busy_is_asked_again(server: Server, tmp_path: Path, code: int) -> None:
    server.pages["/file"] = in_turn(status(code), status(code), file(CONTENT))
    assert get(tmp_path, server.url()) == len(CONTENT)


@pytest.mark.parametrize("code", [301, 302, 303, 307])
def test_redirects_are_followed(server: Server, tmp_path: Path, code: int) -> None:
    (tmp_path / "file.part").write_bytes(CONTENT[:1000])
    server.pages["/file"] = reply(code, b"moved", Location="/b")
    server.pages["/b"] = reply(code, Location=server.url("/c"))
    server.pages["/c"] = file(CONTENT)
    assert get(tmp_path, server.url()) == len(CONTENT)
    assert server.requests[-1] == ("/c", "bytes=1000-")


@pytest.mark.parametrize(
    "place",
    [
        "/file",
        "/file?",
        "file:///etc/hostname",
        "ftp://127.0.0.1/file",
        "data:,x",
        "http://[/",
        "http://127.0.0.1:99999999/",
        "http://%s/" % ("a" * 70),
    ],
)
def test_redirects_in_a_circle_or_elsewhere_are_refused(server: Server, tmp_path: Path, place: str) -> None:
    server.pages["/file"] = reply(302, Location=place)
    message = refuse(tmp_path, server.url())
    assert "redirects" in message or "cannot be reached" in message or "HTTP" in message
    assert len(server.requests) <= 12


def test_a_chain_of_redirects_and_an_endless_body_of_one_end(server: Server, tmp_path: Path) -> None:
    for step in range(9):
        server.pages[f"/{step}"] = reply(302, Location=f"/{step + 1}")
    assert "too often" in refuse(tmp_path, server.url("/0"))

    def forever(handler: Handler) -> None:
        reply(302, Location="/good")(handler)
        endless(handler)

    server.pages["/file"], server.pages["/good"] = forever, file(CONTENT)
    assert get(tmp_path, server.url()) == len(CONTENT)


def test_a_silent_server_is_left_after_the_timeout_and_asked_again(server: Server, tmp_path: Path) -> None:
    server.pages["/file"] = in_turn(stall(CONTENT, 1000), file(CONTENT))
    began = time.monotonic()
    assert get(tmp_path, server.url(), timeout=0.2) == len(CONTENT)
    assert time.monotonic() - began < 5
    assert server.ranges() == [None, "bytes=1000-"]
    (tmp_path / "file").unlink()
    server.pages["/file"] = silent
    assert "was silent for 0.1 s (tried 2 times)" in refuse(tmp_path, server.url(), timeout=0.1)


@pytest.mark.parametrize("length", [7, 299_999, 300_001, 10**15])
def test_a_wrong_content_length_is_refused_before_the_body(server: Server, tmp_path: Path, length: int) -> None:
    server.pages["/file"] = reply(200, CONTENT, Content_Length=length)
    assert f"offers a file of {length:,} bytes: expected 300,000" in refuse(tmp_path, server.url())
    assert part(tmp_path) is None
    (tmp_path / "file.part").write_bytes(CONTENT[:10])
    server.pages["/file"] = reply(206, CONTENT, Content_Range=f"bytes 10-299999/{length}")
    assert f"offers a file of {length:,} bytes" in refuse(tmp_path, server.url())


@pytest.mark.parametrize("length", ["many", "-1", "²", "9" * 5000])
def test_a_content_length_that_says_nothing_is_not_believed(server: Server, tmp_path: Path, length: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode("latin-1")
    server.pages["/file"] = raw(head + CONTENT)
    assert get(tmp_path, server.url()) == len(CONTENT)


def test_no_more_than_the_size_is_taken(server: Server, tmp_path: Path) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(CONTENT)}\r\n\r\n".encode()
    server.pages["/file"] = in_turn(raw(head + CONTENT + b"more"), raw(b"HTTP/1.0 200 OK\r\n\r\n" + CONTENT + b"more"))
    for _ in range(2):
        assert get(tmp_path, server.url()) == len(CONTENT)
        (tmp_path / "file").unlink()
    server.pages["/file"] = endless
    assert "sent another file" in refuse(tmp_path, server.url())
    assert part(tmp_path) is None
    assert server.sent < 100e6


def test_chunks_are_understood(server: Server, tmp_path: Path) -> None:
    def chunk(content: bytes) -> bytes:
        return f"{len(content):x}\r\n".encode() + content + b"\r\n"

    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    server.pages["/file"] = in_turn(raw(head + chunk(CONTENT[:9])), raw(head + b"zz\r\n"), raw(head + chunk(CONTENT)))
    assert get(tmp_path, server.url()) == len(CONTENT)


@pytest.mark.parametrize(
    "answer", [raw(b""), raw(b"\x1b[2J nonsense\r\n\r\n"), raw(b"HTTP/1.1 200 OK\r\n" + b"a" * 70_000)]
)
def test_what_is_not_http_is_one_sentence_without_the_servers_words(
    server: Server, tmp_path: Path, answer: Answer
) -> None:
    server.pages["/file"] = answer
    assert "nonsense" not in refuse(tmp_path, server.url())


@pytest.mark.parametrize("answer", [status(204), reply(203, CONTENT), status(304), status(410), status(501)])
def test_other_answers_are_refused(server: Server, tmp_path: Path, answer: Answer) -> None:
    server.pages["/file"] = answer
    refuse(tmp_path, server.url())
    assert leftovers(tmp_path) == [".file.lock"]


def test_nobody_at_the_address(server: Server, tmp_path: Path) -> None:
    assert "http://127.0.0.1:9/x cannot be reached" in refuse(tmp_path, "http://127.0.0.1:9/x")
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)
    assert "unknown url type" in refuse(tmp_path, secret.as_uri())
    untrusted = ssl.SSLCertVerificationError("bad")
    untrusted.verify_message = "self-signed certificate"
    assert str(download._by_failure(untrusted, 1.0)) == "has no valid certificate (self-signed certificate)"


def test_the_environments_proxy_is_used(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url(""))
    server.pages["http://example.invalid/file"] = file(CONTENT)
    assert get(tmp_path, "http://example.invalid/file") == len(CONTENT)
