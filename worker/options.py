"""One command-line option for each setting, made from the settings models."""

import functools
import math
from collections.abc import Callable
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import click
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

KAFKA_HOME = click.option(
    "--kafka-home",
    type=click.Path(path_type=Path, exists=True),
    envvar="KAFKA_HOME",
    show_envvar=True,
    help="use this unpacked Apache Kafka instead of the embedded broker",
)


class FiniteRange(click.FloatRange):
    """A range of numbers; unlike click's it refuses NaN, and infinity too."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As click's."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number


def settings_options(
    *, only: tuple[str, ...] | None = None, **models: type[BaseSettings]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a click command an ``--option`` for every field of ``models`` and call it with the filled models.

    ``@settings_options(kafka=KafkaSettings)`` calls ``command(kafka=KafkaSettings(...))``. An option that is not given
    falls back to the environment, then to the default. ``only`` names the fields that get an option. Secrets get none.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def call(**given: Any) -> Any:
            filled = {name: _fill(model, given) for name, model in models.items()}
            return command(**given, **filled)

        for model in reversed(models.values()):
            for name, field in reversed(model.model_fields.items()):
                if only is None or name in only:
                    _add_option(call, model, name, field)
        return call

    return decorate


def _fill(model: type[BaseSettings], given: dict[str, Any]) -> BaseSettings:
    values = {name: given.pop(name) for name in model.model_fields if name in given}
    try:
        return model(**{name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise click.UsageError(f"{_flag(name)} ({_variable(model, name)}): {first['msg']}") from error


def _add_option(command: Any, model: type[BaseSettings], name: str, field: FieldInfo) -> None:
    kind = _plain(field.annotation)
    if kind is SecretStr:
        return
    default = "" if field.default is None else f"; default {field.default}"
    help_text = f"{field.description}  [{_variable(model, name)}{default}]"
    if kind is bool:
        click.option(f"{_flag(name)}/--no-{name.replace('_', '-')}", name, default=None, help=help_text)(command)
        return
    parameter = click.Choice(get_args(kind)) if get_origin(kind) is Literal else kind if kind in (int, float) else str
    click.option(_flag(name), name, type=parameter, default=None, help=help_text)(command)


def _plain(annotation: Any) -> Any:
    """The type beside None in an optional annotation."""
    if get_origin(annotation) in (Union, UnionType):
        return next(member for member in get_args(annotation) if member is not type(None))
    return annotation


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _variable(model: type[BaseSettings], name: str) -> str:
    return f"{model.model_config.get('env_prefix', '')}{name}".upper()
