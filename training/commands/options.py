"""Options that several commands share."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from rich.console import Console

Option = Callable[[Callable[..., None]], Callable[..., None]]
FOLDER = click.Path(path_type=Path)
DATA = click.option(
    "--data", type=FOLDER, envvar="EMOTION_DATA", show_envvar=True, help="folder of the public sets (docs/training.md)"
)
PREPARED = click.option("--prepared", type=FOLDER, required=True, help="folder that `prepare` wrote")
GLOVE = click.option(
    "--glove",
    type=FOLDER,
    envvar="EMOTION_GLOVE",
    show_envvar=True,
    help="GloVe .txt or .npz; default: below --data",
)
DEFAULT_BASE = "distilbert-base-uncased"
PRESET = click.option(
    "--preset", type=click.Choice(["product", "reference", "tiny"]), help="sizes of an LSTM; default: product"
)
RUN_OUT = click.option("--out", type=FOLDER, required=True, help="run folder; an interrupted run resumes")

START = click.option("--start", type=FOLDER, help="run or bundle whose weights to begin with")
SOURCES = click.option("--source", "sources", multiple=True, help="learn from the rows of this source only; repeatable")
_FITTING = (
    click.option("--epochs", type=click.IntRange(1), help="at most; default: 8 for an LSTM, 2 for an encoder"),
    click.option(
        "--learning-rate",
        type=click.FloatRange(0, min_open=True),
        help="at its highest; default: 0.002 for an LSTM, 0.0001 for an encoder",
    ),
    click.option("--batch", type=click.IntRange(1), help="texts a batch; default: 128 for an LSTM, 32 for an encoder"),
    click.option(
        "--class-weights",
        type=click.Choice(["none", "balanced", "effective"]),
        help="rare classes count for more: balanced by their rows, effective by their effective number; default: none",
    ),
    click.option(
        "--label-smoothing",
        type=click.FloatRange(0, 0.5),
        help="share of each target spread evenly over the six; default: 0.02 for an LSTM, 0 for an encoder",
    ),
    click.option("--seed", type=click.IntRange(0), help="of weights, order and dropout; default: 13"),
    click.option(
        "--checkpoint-minutes",
        type=click.FloatRange(0),
        help="how much work an interruption may cost; default: 10. A checkpoint is three times as large as the model",
    ),
)


_LSTM = (
    click.option("--units", type=click.IntRange(1), nargs=3, help="of the three layers, each way; default: 128 96 64"),
    click.option("--dropout", type=click.FloatRange(0, 0.9), help="between the layers; default: 0.3"),
    click.option("--recurrent-dropout", type=click.FloatRange(0, 0.9), help="within a layer; default: 0.1"),
    click.option("--patience", type=click.IntRange(1), help="epochs without a better validation macro-F1; default: 2"),
)


def fitting_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the settings that every kind of model has."""
    return _with(_FITTING, command)


def lstm_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the settings that only an LSTM has."""
    return _with(_LSTM, command)


def _with(options: Sequence[Option], command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(options):
        command = option(command)
    return command


def refuse_settings_of_another(student: Literal["lstm", "encoder"], chosen: Mapping[str, Any]) -> None:
    """An encoder has none of an LSTM's settings, an LSTM has no base."""
    ours, other = ("an encoder", "an LSTM") if student == "encoder" else ("an LSTM", "an encoder")
    of_lstm = ("preset", "glove", "units", "dropout", "recurrent_dropout", "patience")
    foreign = of_lstm if student == "encoder" else ("base",)
    for name in foreign:
        if name in chosen:
            raise click.UsageError(f"--{name.replace('_', '-')} is a setting of {other}, not of {ours}")


def given(**settings: Any) -> dict[str, Any]:
    """The settings that were named on the command line."""
    return {name: value for name, value in settings.items() if value is not None}


def glove_path(glove: Path | None, data: Path | None) -> Path | None:
    """The named GloVe file, else the one in the layout of the data folder."""
    return glove or (data / "glove" / "glove.6B.100d.f16.npz" if data else None)


def wide_console() -> "Console":
    """Standard output for tables; wide where it is no terminal, so that a log holds whole cells.

    Brackets and colons in the names of files and sources are no markup and no emoji.
    """
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = 160
    return console
