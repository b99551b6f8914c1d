"""What a training's steps read: all rows where they are in memory, else the windows of an epoch one after the other."""

from __future__ import annotations

from collections.abc import Iterator

from capacity.data import Dataset, Split
from capacity.data.windows import Part
from capacity.engine.executor import Source, Window


def training_rows(data: Dataset, batch: int, first_step: int, steps: int) -> Iterator[tuple[Source, int, int]]:
    """Yield what the steps first_step .. first_step + steps - 1 of a training on all rows read, and which they are.

    Yields
    ------
    source : Source
        Valid until the next is asked for.
    first, count : int
        The first of the steps that it serves, and their number.
    """
    split, windows = data.train, data.windows
    if windows is None:
        yield resident(data, split), first_step, steps
        return
    stream = windows.training(split.reader, batch)
    samples, end = len(split.labels), first_step + steps
    per_epoch = -(-samples // batch)
    while first_step < end:
        epoch, number = divmod(first_step, per_epoch)
        part = stream.part(epoch, number * batch)
        count = min(-(-(part.first + len(part.rows)) // batch) - number, end - first_step)
        yield _of_part(data, split, part, windows.seed), first_step, count
        first_step += count


def evaluation_rows(data: Dataset, split: Split, batch: int) -> Iterator[tuple[Source, int, int]]:
    """Yield the rows of a split in stored order, as `training_rows` does those of a training, for steps of `batch`."""
    samples, windows = len(split.labels), data.windows
    steps = -(-samples // batch)
    if windows is None:
        yield resident(data, split), 0, steps
        return
    stream, step = windows.evaluation(split.reader, batch), 0
    while step < steps:
        part = stream.part(0, step * batch)
        count = -(-len(part.rows) // batch)
        yield _of_part(data, split, part, windows.seed), step, count
        step += count


def resident(data: Dataset, split: Split) -> Source:
    """Return all rows of a split."""
    return Source(split.array, split.labels, data.scale, split.row_scale)


def _of_part(data: Dataset, split: Split, part: Part, seed: int) -> Source:
    window = Window(part.first, len(split.labels), seed, part.number)
    row_scale = split.row_scale[part.rows] if len(split.row_scale) else split.row_scale
    return Source(part.features, split.labels[part.rows], data.scale, row_scale, window)
