"""Settings files: the kind of study they are of, and the fields of its config."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from capacity.errors import InputError, did_you_mean
from capacity.experiments.config import StudyConfig
from capacity.experiments.converge_config import ConvergeConfig
from capacity.experiments.emc_config import EmcConfig
from capacity.experiments.sweep_config import SweepConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CONFIGS: Mapping[str, type[StudyConfig]] = {config.kind: config for config in (SweepConfig, ConvergeConfig, EmcConfig)}
"""The kinds of studies, by name."""


def load_config(path: str | Path, kind: str | None = None, /, **overrides: Any) -> StudyConfig:
    """Read settings from a TOML file; `overrides` replace what the file says.

    Its key `kind` says what kind of study it is of; a file without it is of the kind that is asked for, or a sweep's. A
    relative `data` that is a file beside the TOML file, and a relative `out`, are taken from the TOML file's folder,
    so that the file means the same wherever it is used from.

    Raises
    ------
    InputError
        When the file is missing, is not TOML, is of another kind, or holds an unknown key or a value that cannot be
        used.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"cannot read the settings file '{path}': {reason}.") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"'{path}' is not valid TOML: {error}.") from None
    config = _class(path, values.pop("kind", kind or "sweep"), kind)
    values = _placed(values, path.parent)
    try:
        found = config(**values)
    except InputError as error:
        raise InputError(f"in '{path}': {error}") from None
    return config(**{**values, **overrides}) if overrides else found


def _class(path: Path, said: Any, asked: str | None) -> type[StudyConfig]:
    """Return the class of the kind that a file says it is of, if that is the one asked for."""
    if said not in CONFIGS:
        raise InputError(f"in '{path}': unknown kind of study '{said}'{did_you_mean(str(said), CONFIGS)}.")
    if asked is not None and said != asked:
        raise InputError(f"'{path}' is of the kind '{said}', expected '{asked}'; use 'capacity {said}' with it.")
    return CONFIGS[said]


def _placed(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return `values` with relative paths taken from `folder`."""
    placed = dict(values)
    if isinstance(placed.get("data"), str) and (folder / placed["data"]).is_file():
        placed["data"] = str(folder / placed["data"])
    if isinstance(placed.get("out"), str):
        placed["out"] = str(folder / placed["out"])
    return placed
