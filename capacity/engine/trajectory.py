"""The sums of a trajectory: what an update adds up while it changes the parameters."""

from __future__ import annotations

from enum import IntEnum

BLOCK = 4096
"""Parameters that are added up at a time, before their sums are joined in order; as in csrc/common/trace.h."""


class Sums(IntEnum):
    """The four sums that a step adds up over the parameters of a segment, by their place in the last axis of a trace.

    w and g are the parameters and the gradient of the mean loss before the update, without weight decay; dw is what
    the update changed, as stored; the anchor is the point that distances are measured from.
    """

    GRADIENT = 0
    """|g|^2."""
    STEP = 1
    """|dw|^2."""
    ALONG = 2
    """<w - anchor, g>."""
    DISTANCE = 3
    """|w - anchor|^2."""


def blocks(size: int) -> int:
    """Return in how many blocks so many parameters are added up."""
    return -(-size // BLOCK)
