"""What a study of effective model complexity says of its settings: each level of an aspect against a baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypedDict

from capacity.reporting.emc_lines import ASPECTS, aspect_name, capital

if TYPE_CHECKING:
    from capacity.analysis.emc import EmcLine, EmcPoint
    from capacity.analysis.emc_comparison import MeanRatio, Ratio
    from capacity.experiments.emc_plan import Cell

Points = Mapping["Cell", "EmcPoint"]


class ComparisonRow(TypedDict):
    """The EMC of one level of an aspect over that of another, see `capacity.analysis.emc_comparison.MeanRatio`.

    `among` is the kind of labels that the pairs are of, empty where all are taken together. `bound` is empty where
    `ratio` is a mean, `at least` or `at most` where it is a bound of it. `parameters_ratio` is the geometric mean of
    the same ratio of the numbers of parameters.
    """

    aspect: str
    level: str
    baseline: str
    among: str
    ratio: float | None
    bound: str
    low: float | None
    high: float | None
    pairs: int
    bounds: int
    left_out: int
    higher: int
    lower: int
    settings: int
    seeds: int
    parameters_ratio: float


class PerParameterRow(TypedDict):
    """EMC per parameter of a line, the geometric mean over its networks and seeds, and the power of P it goes with."""

    labels: str
    classes: int
    optimizer: str
    activation: str
    depth: int
    per_parameter: float | None
    bound: str
    low: float | None
    high: float | None
    values: int
    bounds: int
    left_out: int
    above_one: int
    below_one: int
    networks: int
    seeds: int
    exponent: float | None
    exponent_low: float | None
    exponent_high: float | None


@dataclass(frozen=True)
class Comparison:
    """One level of an aspect against its baseline, over networks and settings that are alike in all else.

    Attributes
    ----------
    aspect : str
        One of `ASPECTS`.
    level, baseline : str or int
    among : str
        The kind of labels, empty for all kinds together.
    mean : MeanRatio
    parameters : float
        How many times the parameters there are, in the geometric mean over the settings of `mean`.
    """

    aspect: str
    level: str | int
    baseline: str | int
    among: str
    mean: MeanRatio
    parameters: float

    def row(self) -> ComparisonRow:
        """Return the comparison as a row of a table."""
        mean = self.mean
        return ComparisonRow(
            aspect=self.aspect,
            level=str(self.level),
            baseline=str(self.baseline),
            among=self.among,
            ratio=mean.value,
            bound=mean.bound,
            low=mean.low,
            high=mean.high,
            pairs=mean.pairs,
            bounds=mean.bounds,
            left_out=mean.left_out,
            higher=mean.higher,
            lower=mean.lower,
            settings=mean.settings,
            seeds=mean.seeds,
            parameters_ratio=self.parameters,
        )

    @property
    def sentence(self) -> str:
        """What came out, for people: "tanh over ReLU: 0.742 times (0.7 to 0.79; 12 pairs)"."""
        names = [aspect_name(self.aspect, value) for value in (self.level, self.baseline)]
        among = f", {aspect_name('labels', self.among)}" if self.among else ""
        size = "" if math.isclose(self.parameters, 1) else f" with {self.parameters:.3g} times the parameters"
        return f"{capital(' over '.join(names))}{among}: {self.mean.words('times', 'pair')}{size}"


def comparisons(points: Points, order: Sequence[Cell]) -> list[Comparison]:
    """Return every level of every aspect that varies against the aspect's baseline.

    The baseline is the first in the study's order, but ReLU among activations where it is there. Pairs are alike in all
    other aspects, in width and in seed, so their two searches have the same samples. Networks without hidden layers
    have neither a width nor an activation, and are in no comparison of depths or activations. Where the kind of labels
    varies too, there is a comparison for each kind, beside that of all together; numbers of classes are compared for
    each kind only, since more classes make it harder to fit semantic labels, but give random ones more to say.

    Parameters
    ----------
    points : mapping of Cell to EmcPoint
        What is there to compare.
    order : sequence of Cell
        All cells of the study, in its order.
    """
    found: list[Comparison] = []
    for aspect in ASPECTS:
        cells = [cell for cell in order if cell.depth or aspect not in ("activation", "depth")]
        levels = list(dict.fromkeys(getattr(cell, aspect) for cell in cells))
        if len(levels) < 2:
            continue
        baseline = "relu" if "relu" in levels else levels[0]
        kinds = list(dict.fromkeys(cell.labels for cell in order)) if aspect != "labels" else []
        groups = kinds if len(kinds) > 1 else []
        change: dict[str, Any] = {aspect: baseline}
        for level in (level for level in levels if level != baseline):
            pairs = [(cell, replace(cell, **change)) for cell in cells if getattr(cell, aspect) == level]
            known = [(one, other) for one, other in pairs if one in points and other in points]
            for among in [*([] if groups and aspect == "classes" else [""]), *groups]:
                chosen = [(points[one], points[other]) for one, other in known if among in ("", one.labels)]
                found += _comparison(aspect, level, baseline, among, chosen)
    return found


def _comparison(
    aspect: str, level: str | int, baseline: str | int, among: str, pairs: Sequence[tuple[EmcPoint, EmcPoint]]
) -> list[Comparison]:
    """Return the comparison over pairs of networks, none where no seed has trained both of any."""
    from capacity import analysis

    ratios: list[Ratio] = []
    for setting, (one, other) in enumerate(pairs):
        others = {seed.seed: seed for seed in other.seeds}
        ratios += [analysis.emc_ratio(setting, seed, others[seed.seed]) for seed in one.seeds if seed.seed in others]
    if not ratios:
        return []
    mean = analysis.mean_ratio(ratios)
    counted = [pair for setting, pair in enumerate(pairs) if setting in mean.of] or pairs
    sizes = [math.log(one.parameters / other.parameters) for one, other in counted]
    return [Comparison(aspect, level, baseline, among, mean, math.exp(sum(sizes) / len(sizes)))]


def per_parameter(line: EmcLine) -> MeanRatio:
    """Return EMC over the number of parameters, the geometric mean over the networks of a line and seeds."""
    from capacity import analysis

    return analysis.mean_ratio(
        [
            analysis.per_parameter(point.parameters, seed, point.parameters)
            for point in line.points
            for seed in point.seeds
        ]
    )


def per_parameter_row(cell: Cell, line: EmcLine) -> PerParameterRow:
    """Return the row of a line; `cell` is any network of it."""
    mean, power = per_parameter(line), line.exponent
    interval = power.interval if power else None
    return PerParameterRow(
        labels=cell.labels,
        classes=cell.classes,
        optimizer=cell.optimizer,
        activation=cell.activation,
        depth=cell.depth,
        per_parameter=mean.value,
        bound=mean.bound,
        low=mean.low,
        high=mean.high,
        values=mean.pairs,
        bounds=mean.bounds,
        left_out=mean.left_out,
        above_one=mean.higher,
        below_one=mean.lower,
        networks=mean.settings,
        seeds=mean.seeds,
        exponent=power.exponent if power else None,
        exponent_low=interval.low if interval else None,
        exponent_high=interval.high if interval else None,
    )
