"""Plain text, gzipped or not, as a stream of characters or words, in bounded memory."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from capacity.data.importers.utf8 import text_head
from capacity.data.sources import open_source, reading
from capacity.errors import InputError

LONGEST_WORD = 1000
"""Characters; a longer word means that the text has no words."""

_CHUNK = 1 << 20  # bytes
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]")


def characters(paths: Sequence[Path]) -> Iterator[str]:
    """Yield the text of several files, one after the other, in pieces.

    A byte order mark at the beginning of a file is left out, and a carriage return, with or without a line feed,
    becomes a line feed.

    Raises
    ------
    InputError
        A file is missing or damaged, or is not UTF-8 or holds a NUL character (with the byte's position, from 0, in the
        unpacked text).
    """
    for path in paths:
        yield from _text_of(path)


def words(paths: Sequence[Path]) -> Iterator[list[str]]:
    """Yield the tokens of several files, in lower case, in pieces.

    A token is a run of letters, digits and underscores (apostrophes within it belong to it), or any other character
    but white space. The end of a file ends a token.

    Raises
    ------
    InputError
        As of `characters`, and where a token or what stands between two white spaces is too long.
    """
    for path in paths:
        rest = ""
        for text in _text_of(path):
            rest += text
            cut = 1 + max(rest.rfind(" "), rest.rfind("\n"), rest.rfind("\t"))
            yield _words(rest[:cut], path)
            rest = rest[cut:]
            if len(rest) > _CHUNK:
                raise InputError(_no_words(path))
        yield _words(rest, path)


def _words(text: str, path: Path) -> list[str]:
    found = _WORD.findall(text.lower())
    if max(map(len, found), default=0) > LONGEST_WORD:
        raise InputError(_no_words(path))
    return found


def _no_words(path: Path) -> str:
    return f"{path} has a word longer than {LONGEST_WORD} characters: expected text with words; take characters (char)"


def _text_of(path: Path) -> Iterator[str]:
    text_head(path, 2)  # refuses UTF-16
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = io.IncrementalNewlineDecoder(None, translate=True)
    read, begun = 0, False
    with reading(path), open_source(path) as file:
        while True:
            raw = file.read(_CHUNK)
            waiting = len(decoder.getstate()[0])
            try:
                text = decoder.decode(raw, final=not raw)
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{path} is not UTF-8: its byte {read - waiting + error.start} is no part of a character; save it "
                    "again in that encoding"
                ) from error
            if "\0" in text:
                position = read - waiting + len(text[: text.index("\0")].encode())
                raise InputError(f"{path} holds a NUL character at byte {position}: is it a text file?")
            if text and not begun:
                text, begun = text.removeprefix("\ufeff"), True
            read += len(raw)
            yield lines.decode(text, final=not raw)
            if not raw:
                return
