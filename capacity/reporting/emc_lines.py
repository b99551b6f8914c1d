"""What tells the lines of a study of effective model complexity from each other, and where a figure has each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from capacity.experiments.emc_plan import Cell

ASPECTS = ("labels", "classes", "optimizer", "activation", "depth")
"""What may tell lines from each other."""
MOST = 7
"""So many lines share a panel: as many as there are colours that anybody can tell apart."""

_WORDS = {
    "sgd": "SGD", "gd": "full-batch GD", "momentum": "SGD with momentum", "adam": "Adam", "adamw": "AdamW",
    "shampoo": "Shampoo",
    "relu": "ReLU", "leaky_relu": "leaky ReLU", "gelu": "GELU", "random-inputs": "random inputs and labels",
    "semantic": "semantic labels", "random": "random labels",
}  # fmt: skip


def varying(cells: Iterable[Cell]) -> list[str]:
    """Return the aspects in which the cells differ."""
    known = list(cells)
    return [name for name in ASPECTS if len({getattr(cell, name) for cell in known}) > 1]


def line_name(cell: Cell, aspects: Sequence[str]) -> str:
    """Return what tells a line from the others, for people."""
    return words_of(cell, aspects) or "all networks"


def words_of(cell: Cell, aspects: Sequence[str]) -> str:
    """Return some aspects of a cell in words."""
    return ", ".join(aspect_name(name, getattr(cell, name)) for name in aspects)


def aspect_name(name: str, value: str | int) -> str:
    """Return the value of an aspect in words."""
    if name == "classes":
        return f"{value} classes" if value else "all classes"
    if name == "depth":
        return f"{value} hidden layer{'s' * (value != 1)}"
    return _WORDS.get(str(value), str(value).replace("_", " "))


def capital(text: str) -> str:
    """Return a text with a capital at its start."""
    return text[:1].upper() + text[1:]


def split(cells: Iterable[Cell], aspects: Sequence[str]) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    """Return which aspects a figure makes columns of panels of, which rows, and which colours.

    Up to `MOST` lines share one panel. Where there are more, the first aspect makes columns, and the next ones make
    rows until a panel has `MOST` lines at most, or a single aspect is left for the colours.
    """
    lines = {tuple(getattr(cell, name) for name in aspects) for cell in cells}
    taken = 0
    while len(aspects) - taken > 1 and max(Counter(line[:taken] for line in lines).values()) > MOST:
        taken += 1
    return aspects[: min(taken, 1)], aspects[1:taken], aspects[taken:]


class CellRow(TypedDict):
    """What the rows of an EMC study's tables begin with: the network, how it is trained, and on what."""

    labels: str
    classes: int
    optimizer: str
    activation: str
    depth: int
    width: int


def cell_columns(cell: Cell) -> CellRow:
    """Return the columns that tell a cell from others."""
    return CellRow(
        labels=cell.labels,
        classes=cell.classes,
        optimizer=cell.optimizer,
        activation=cell.activation,
        depth=cell.depth,
        width=cell.width,
    )
