"""Vocabularies of visual words, and photographs that are described by them."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.hostile import npz
from tests.hostile.case import Case, Files
from tests.image_files import texture

FILE = "v.npz"
IMPORT = ("data", "import", "images", "i", "out.h5", "--vocabulary", FILE)
PHOTO = "i/a/1.png"

_WORDS = np.arange(2 * 128, dtype=np.uint8).reshape(2, 128)
_RECIPE = np.array(json.dumps({"seed": 0, "images": 2, "descriptors": 9}))


@functools.cache
def seed() -> Files:
    words = {"words.npy": npz.npy(_WORDS), "recipe.npy": npz.npy(_RECIPE)}
    return {FILE: npz.archive(words), PHOTO: _photo(0), "i/b/1.png": _photo(1)}


def _photo(number: int) -> bytes:
    from PIL import Image

    memory = io.BytesIO()
    Image.fromarray(texture(number, 30, 25)).save(memory, "PNG")
    return memory.getvalue()


_MEMBERS: dict[str, dict[str, Any]] = {
    "no words": {"recipe": _RECIPE},
    "words of float": {"words": _WORDS / 2},
    "words of objects": {"words": np.array([[npz.Bomb()] * 128] * 2, object)},
    "a recipe of objects": {"words": _WORDS, "recipe": np.array(npz.Bomb(), object)},
    "words of 127 numbers": {"words": _WORDS[:, :127]},
    "one word": {"words": _WORDS[:1]},
    "words in three axes": {"words": _WORDS[None]},
    "equal words": {"words": _WORDS * 0},
    "50000 words": {"words": np.zeros((50000, 128), np.uint8)},
    "a recipe in two": {"words": _WORDS, "recipe": np.array(["{}", "{}"])},
    "a recipe of a number": {"words": _WORDS, "recipe": np.array(7)},
    "a recipe that is no JSON": {"words": _WORDS, "recipe": np.array("{")},
    "a recipe deep in itself": {"words": _WORDS, "recipe": np.array("[" * 10**5)},
    "a recipe of a long number": {"words": _WORDS, "recipe": np.array('{"a": ' + "9" * 5000 + "}")},
    "a recipe of a list": {"words": _WORDS, "recipe": np.array("[1]")},
    "a recipe of NaN": {"words": _WORDS, "recipe": np.array('{"a": NaN}')},
    "a recipe of control characters": {"words": _WORDS, "recipe": np.array(json.dumps({"\x1b[2J": "\x07"}))},
    "a recipe of half characters": {"words": _WORDS, "recipe": np.array('{"a": "\\ud800"}')},
    "a long recipe": {"words": _WORDS, "recipe": np.array(json.dumps({"a": "x" * 10**6}))},
}


def cases() -> Iterator[Case]:
    for name, members in _MEMBERS.items():
        given = members if "recipe" in members else {**members, "recipe": _RECIPE}
        yield _case(name, {f"{key}.npy": npz.npy(value) for key, value in given.items()})
    yield _case("no recipe at all", {"words.npy": npz.npy(_WORDS)})
    for name, member in npz.members():
        yield _case(name, {"words.npy": member, "recipe.npy": npz.npy(_RECIPE)})
    yield Case("vocabulary/a link to a photograph", (*IMPORT[:-1], PHOTO), seed, "out.h5", refused=True)
    for option in (("--words", "2"), ("--features", "pixels")):
        yield Case(f"vocabulary/with {option}", (*IMPORT, *option), seed, "out.h5", refused=True)


def _case(name: str, members: dict[str, bytes]) -> Case:
    return Case(f"vocabulary/{name}", IMPORT, lambda: {**seed(), FILE: npz.archive(members)}, "out.h5")
