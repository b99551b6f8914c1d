"""What every report says, whatever kind of study it is of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Report(ABC):
    """What `report` made of a study.

    Attributes
    ----------
    conclusion : str
        One line.
    figures : tuple of Path
        The PNG files. An SVG file and a CSV file with the numbers lie beside each.
    """

    conclusion: str
    figures: tuple[Path, ...]

    @abstractmethod
    def tables(self) -> dict[str, Any]:
        """Return the tables that are shown, by name, as lists of rows with plain values."""
