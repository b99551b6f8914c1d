"""The beginnings of text files: what shows before any parsing that a file is no text in UTF-8."""

from __future__ import annotations

import codecs
from pathlib import Path

from capacity.data.sources import open_source, reading
from capacity.errors import InputError

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def text_head(path: Path, count: int) -> bytes:
    """Return the first `count` bytes of a text file, gzipped or not, without a byte order mark; refuse UTF-16."""
    with reading(path), open_source(path) as file:
        head = file.read(count)
    if head.startswith(_UTF16):
        raise InputError(f"{path} is in UTF-16: expected UTF-8; save it again in that encoding")
    return head.removeprefix(codecs.BOM_UTF8)
