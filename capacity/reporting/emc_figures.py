"""The figures of a study of effective model complexity."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from capacity.reporting.emc_comparisons import Comparison, per_parameter
from capacity.reporting.emc_lines import aspect_name, capital, split, words_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from capacity.analysis.emc import EmcLine
    from capacity.experiments.emc_plan import Cell
    from capacity.plots import AccuracyPanel
    from capacity.reporting.emc_rows import AnswerRow

PANELS = 12
"""So many lines have a panel in the figure of accuracies."""


@dataclass(frozen=True)
class Titles:
    """What the figures of a study say above them.

    Attributes
    ----------
    data : str
        Name of the data set.
    what, how : str
        How the numbers were made: what was trained on what; the protocol.
    note : str
        What else there is to say of every figure; may be empty.
    """

    data: str
    what: str
    how: str
    note: str

    def captions(self, how: str | None = None) -> tuple[str, str]:
        """Return the two lines below a headline; `how` is the second's beginning where it is not the protocol."""
        return self.what, "; ".join(filter(None, [self.how if how is None else how, self.note]))


Lines = Mapping["Cell", "EmcLine"]
"""The lines of a study by one of their cells."""


def emc_figures(
    lines: Lines, varying: Sequence[str], compared: Sequence[Comparison], answers: Sequence[AnswerRow], target: float,
    titles: Titles,
) -> dict[str, Figure]:  # fmt: skip
    """Return the figures by name: EMC, accuracies, and, where there is more than one line, ratios.

    Parameters
    ----------
    lines : mapping of Cell to EmcLine
        At least one, by any of its cells.
    varying : sequence of str
        The aspects in which lines differ.
    compared : sequence of Comparison
    answers : sequence of AnswerRow
        Of all lines.
    target : float
        The accuracy that counts as fitted.
    titles : Titles
    """
    from capacity import plots

    columns, rows, colors = split(lines, varying)
    places = [
        plots.Place(capital(words_of(cell, columns)), words_of(cell, rows), words_of(cell, colors))
        for cell in (lines if columns else ())
    ]
    headline = f"Effective model complexity against size on {titles.data}"
    figures = {"emc": plots.emc_figure(list(lines.values()), headline, titles.captions(), places)}
    panels = _accuracy_panels(lines, varying, answers)
    if panels:
        missing = len(lines) - len(panels)
        left = f"; {missing} of {len(lines)} lines are left out here, not in answers.csv" if missing else ""
        headline = f"Training accuracy against the size of the sample on {titles.data}"
        figures["accuracy"] = plots.accuracy_figure(panels, target, headline, titles.captions(titles.how + left))
    if len(lines) > 1:
        figures |= _ratio_figures(lines, columns, [*rows, *colors], compared, titles)
    return figures


def _accuracy_panels(lines: Lines, varying: Sequence[str], answers: Sequence[AnswerRow]) -> list[AccuracyPanel]:
    from capacity import plots

    found = []
    for cell, line in lines.items():
        trainings = [
            plots.Reached(row["width"], row["n"], row["seed"], row["accuracy"], row["outcome"] == "stalled")
            for row in answers
            if row["accuracy"] is not None and all(row[name] == getattr(cell, name) for name in varying)  # type: ignore[literal-required]
        ]
        emc = {p.width: math.exp(p.mean.log_value) for p in line.points if p.mean.log_value is not None}
        if trainings:
            found.append(plots.AccuracyPanel(capital(line.name), trainings, emc))
    return found[:PANELS]


def _ratio_figures(
    lines: Lines, headings: Sequence[str], names: Sequence[str], compared: Sequence[Comparison], titles: Titles
) -> dict[str, Figure]:
    from capacity import plots

    captions = titles.captions("geometric mean (95% interval over networks and seeds); values")
    means = {cell: per_parameter(line) for cell, line in lines.items()}
    rows = [
        plots.RatioRow(capital(words_of(cell, headings)), words_of(cell, names), mean)
        for cell, mean in means.items()
        if mean.value is not None
    ]
    figures = {}
    if rows:
        headline = f"EMC over the number of parameters on {titles.data}"
        figures["per_parameter"] = plots.ratio_figure(rows, headline, captions, unit="Examples a parameter")
    captions = titles.captions("pairs alike in all else: geometric mean (95% interval over settings and seeds); pairs")
    rows = [
        plots.RatioRow(
            f"{capital(found.aspect)}: over {aspect_name(found.aspect, found.baseline)}",
            aspect_name(found.aspect, found.level),
            found.mean,
            aspect_name("labels", found.among) if found.among else "",
        )
        for found in compared
        if found.mean.value is not None
    ]
    if rows:
        headline = f"How many times as many examples are fitted on {titles.data}"
        figures["comparisons"] = plots.ratio_figure(
            rows, headline, captions, unit="EMC over that of the baseline", whole="all labels together"
        )
    return figures
