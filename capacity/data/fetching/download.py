"""Fetching a file whose size and SHA-256 are known beforehand, over HTTP, from one of several addresses.

Written on `urllib` rather than with pooch, which offers the cache folder and the hash but starts a cut download anew,
takes one address a file and reads as much as a server cares to send.

The pinned hash is the only judge of what arrives. So pieces may come from different addresses, and no ETag is kept:
where the pieces do not fit together, the file is fetched once more in one go before the address is given up.
"""

from __future__ import annotations

import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any

from capacity import __version__
from capacity.data.fetching.cache import RemoteFile, fault, only_one, writing
from capacity.data.fetching.part import Part, Progress
from capacity.data.sources import describe
from capacity.errors import InputError

_BLOCK_BYTES = 1 << 18
_HEADWAY_BYTES = 1 << 20
"""An attempt that brought this much does not count as failed: a long download may be cut many times."""
_MOMENTARY = {408, 425, 429}
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d+/(\d{1,18}|\*)", re.ASCII)
_LENGTH = re.compile(r"\d{1,18}", re.ASCII)


class _RefusedError(Exception):
    """What speaks against an address, however often it is tried."""


class _CutError(Exception):
    """What went wrong and may go well next time."""


def fetch(
    file: RemoteFile,
    folder: Path,
    *,
    timeout: float = 30.0,
    attempts: int = 4,
    pause: float = 1.0,
    progress: Progress | None = None,
) -> Path:
    """Bring a file into a folder; it appears under its name once its hash is right.

    What has come is kept as NAME.part, whatever ends the download, and the next call goes on from there. Of several
    processes that want the same file, one fetches it and the others wait.

    Parameters
    ----------
    file : RemoteFile
    folder : Path
        Made if it is missing.
    timeout : float
        Seconds without a byte from the server before a connection is given up.
    attempts : int
        How often an address is tried that fails for a moment: a cut or silent connection, HTTP 5xx.
    pause : float
        Seconds before the second attempt; doubled before each further one.
    progress : callable, optional
        Told how many bytes have been added; a negative number where a download starts anew.

    Returns
    -------
    Path
        The file in the folder.

    Raises
    ------
    InputError
        No address has the file as it must be (the sentence says what each answered), or the folder refuses it.
    """
    tell = progress or (lambda _: None)
    target, aside = folder / file.name, folder / f"{file.name}.part"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with only_one(folder / f".{file.name}.lock", aside):
        if target.exists() and fault(target, file) is None:  # another process was faster
            tell(file.original.size)
            return target
        answers = []
        with Part(aside, file.original.size, tell) as part:
            for url in file.urls:
                try:
                    _fetch_from(url, part, file.original.sha256, timeout=timeout, attempts=attempts, pause=pause)
                    break
                except _RefusedError as reason:
                    answers.append(f"{url} {reason}")
            else:
                raise InputError(
                    f"cannot fetch {file.name}: {'; '.join(answers)}; try again later, or get the file "
                    "in another way and name its folder with --from"
                )
            part.finish(target)
    return target


def _fetch_from(url: str, part: Part, sha256: str, *, timeout: float, attempts: int, pause: float) -> None:
    """Complete the part from one address and check its hash; a part with a wrong hash is emptied."""
    for _ in range(2):
        in_one_go = _complete(url, part, timeout=timeout, attempts=attempts, pause=pause)
        found = describe(part.path)["sha256"]
        if found == sha256:
            return
        part.restart()
        if in_one_go:
            break
    raise _RefusedError(f"sent another file (SHA-256 {found}, expected {sha256}), which was deleted")


def _complete(url: str, part: Part, *, timeout: float, attempts: int, pause: float) -> bool:
    """Fetch what is missing; return whether the whole came through one connection."""
    resumed, connections, failures = part.position > 0, 0, 0
    while part.position < part.size:
        before = part.position
        connections += 1
        try:
            _receive(url, part, timeout)
        except _CutError as reason:
            failures = 1 if part.position - before >= _HEADWAY_BYTES else failures + 1
            if failures >= attempts:
                raise _RefusedError(f"{reason} (tried {failures} times)") from reason
            time.sleep(pause * 2 ** (failures - 1))
    return connections == 1 and not resumed


def _receive(url: str, part: Part, timeout: float) -> None:
    """Bring the part as far as one connection does, and no further than the file's size."""
    headers = {"User-Agent": f"capacity/{__version__}"}
    if part.position:
        headers["Range"] = f"bytes={part.position}-"
    try:
        with _opener().open(urllib.request.Request(url, headers=headers), timeout=timeout) as response:
            _begin(response.status, response.headers, part)
            while part.position < part.size:
                block = response.read1(min(_BLOCK_BYTES, part.size - part.position))
                if not block:
                    raise _CutError(f"ended the connection after {part.position:,} of {part.size:,} bytes")
                part.append(block)
    except InputError:  # of the disk, not of the connection
        raise
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # it has not as much as is here
            part.restart()
        raise _by_status(error.code) from error
    except (OSError, HTTPException) as error:
        raise _by_failure(error.reason if isinstance(error, urllib.error.URLError) else error, timeout) from error
    except (ValueError, OverflowError) as error:
        raise _RefusedError("redirects to something that is not an address") from error


def _begin(status: int, headers: Message, part: Part) -> None:
    """Bring the part to where the answer begins, and refuse an answer of another size."""
    if status == 206:
        found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
        if found is None or int(found[1]) != part.position:
            part.restart()
            raise _CutError("sent another range than the one asked for")
        announced = found[2]
    elif status == 200:  # a server that does not know ranges sends the whole
        part.restart()
        announced = headers.get("Content-Length", "").strip()
    else:
        raise _RefusedError(f"answered HTTP {status}")
    if _LENGTH.fullmatch(announced) and int(announced) != part.size:
        raise _RefusedError(f"offers a file of {int(announced):,} bytes: expected {part.size:,}")


def _by_status(code: int) -> Exception:
    if code == 416 or code in _MOMENTARY or code >= 500:
        return _CutError(f"answered HTTP {code}")
    if 300 <= code < 400:
        return _RefusedError("redirects in a circle, too often, or to something other than HTTP")
    return _RefusedError(f"answered HTTP {code}")


def _by_failure(reason: object, timeout: float) -> Exception:
    """Word a failed connection. What the server wrote is not repeated: it could be anything."""
    if isinstance(reason, ssl.SSLCertVerificationError):
        return _RefusedError(f"has no valid certificate ({reason.verify_message})")
    if isinstance(reason, TimeoutError):
        return _CutError(f"was silent for {timeout:g} s")
    if isinstance(reason, HTTPException):
        return _CutError(f"does not speak HTTP ({type(reason).__name__})")
    return _CutError(f"cannot be reached or broke off ({getattr(reason, 'strerror', None) or reason})")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects, to HTTP and HTTPS only; the standard library would go on to FTP."""

    max_redirections = 5

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if urllib.parse.urlsplit(newurl).scheme not in {"http", "https"}:
            raise urllib.error.HTTPError(newurl, code, msg, headers, fp)
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        fp.close()  # or the standard library reads the answer's body, however long it is
        return request


def _opener() -> urllib.request.OpenerDirector:
    """Return what speaks HTTP and HTTPS, through the proxies of the environment, and nothing else (no file:, ftp:)."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener
