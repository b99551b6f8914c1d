"""The options of a study, made from the fields of its config, so that names, defaults and words agree everywhere."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click
from pydantic.fields import FieldInfo

from capacity.experiments import StudyConfig, load_config

Command = TypeVar("Command", bound=Callable[..., Any])


class NumberList(click.ParamType):  # type: ignore[type-arg]  # generic in some versions of click
    """Numbers between commas; for whole numbers also `16..1024`, which doubles from the first to the last."""

    name = "list"

    def __init__(self, kind: type[int] | type[float]) -> None:
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Turn the text of an option into numbers; whether a study can use them is its config's to say."""
        return tuple(number for part in str(value).split(",") for number in self._part(part.strip(), param, ctx))

    def _part(self, part: str, param: click.Parameter | None, ctx: click.Context | None) -> list[float]:
        whole = self._kind is int
        example = "16,32,64, or doublings like 16..1024" if whole else "0.1,0.01"
        try:
            first, *rest = (self._kind(end) for end in (part.split("..", 1) if whole else [part]))
        except ValueError:
            self.fail(f"expected numbers like {example}, got '{part}'", param, ctx)
        numbers = [first]
        for last in rest:
            while 0 < numbers[-1] < last:
                numbers.append(2 * numbers[-1])
            if numbers[-1] != last:
                self.fail(f"doubling {first} does not lead to {last}, got '{part}'", param, ctx)
        return numbers


class NameList(click.ParamType):  # type: ignore[type-arg]
    """Names between commas."""

    name = "list"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Turn the text of an option into names."""
        return tuple(part.strip() for part in str(value).split(","))


class Name(click.Choice):  # type: ignore[type-arg]
    """One of a few names in help and completion; the config refuses others, with the nearest name."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Leave the value to the config."""
        return str(value)


def settings(config: type[StudyConfig], names: Iterable[str]) -> Callable[[Command], Command]:
    """Return a decorator that adds the options of the named fields of a config to a command.

    The command gets as keyword arguments the fields that were given, and no others: defaults stay in the config.
    """

    def decorate(command: Command) -> Command:
        for name in reversed(list(names)):
            command = _option(name, config.model_fields[name])(command)
        return command

    return decorate


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given on the command line."""
    return {name: value for name, value in options.items() if value is not None}


def configured(config: type[StudyConfig], source: str | None, options: dict[str, Any]) -> StudyConfig:
    """Return what is asked for by the argument DATA or STUDY.toml of a command, and its options."""
    asked = given(options)
    if source is not None and source.endswith(".toml"):
        return load_config(source, config.kind, **asked)
    return config(**asked, **({} if source is None else {"data": source}))


def _option(name: str, field: FieldInfo) -> Callable[[Command], Command]:
    if field.annotation is bool:
        return click.option(f"--{name}", name, is_flag=True, default=None, help=_sentence(field.description))
    kind, metavar = _type(field.annotation, name)
    default = "" if field.default is None else f"  [default: {_shown(field.default)}]"
    return click.option(
        f"--{name.replace('_', '-')}", name, type=kind, metavar=metavar, help=f"{_sentence(field.description)}{default}"
    )


def _type(annotation: Any, name: str) -> tuple[Any, str | None]:
    """Return the click type of a field and how its value is called in the help (None: click's own way)."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        (annotation,) = (part for part in inner if part is not type(None))
        return _type(annotation, name)
    if origin is tuple:
        metavar = {int: "N,N,...", float: "X,X,..."}.get(inner[0], "NAME,...")
        return NumberList(inner[0]) if inner[0] in (int, float) else NameList(), metavar
    if origin is typing.Literal:
        return Name(inner), None
    if annotation is int:
        return click.INT, "N"
    if annotation is float:
        return click.FLOAT, "X"
    return click.STRING, {"out": "FOLDER", "memory": "SIZE"}.get(name, "NAME")


def _shown(default: Any) -> str:
    if isinstance(default, tuple):
        return ",".join(item if isinstance(item, str) else f"{item:g}" for item in default)
    return f"{default:g}" if isinstance(default, float) else f"{default}"


def _sentence(description: str | None) -> str:
    text = description or ""
    return f"{text[:1].upper()}{text[1:]}."
