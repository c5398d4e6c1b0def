"""``train lstm`` and ``train distilbert``."""

from pathlib import Path
from typing import Any

import click

from training.commands.options import (
    DATA,
    DEFAULT_BASE,
    GLOVE,
    PREPARED,
    PRESET,
    RUN_OUT,
    SOURCES,
    START,
    fitting_options,
    given,
    glove_path,
    lstm_options,
)


@click.group()
def train() -> None:
    """Train a model."""


@train.command()
@DATA
@PREPARED
@GLOVE
@RUN_OUT
@PRESET
@START
@SOURCES
@lstm_options
@fitting_options
def lstm(
    data: Path | None,
    prepared: Path,
    glove: Path | None,
    out: Path,
    preset: str | None,
    start: Path | None,
    sources: tuple[str, ...],
    **sizes: Any,
) -> None:
    """Three bidirectional LSTM layers on frozen GloVe vectors."""
    from training.data.rows import read_rows
    from training.pipeline import train_lstm

    path = glove_path(glove, data)
    train_lstm(read_rows(prepared), path, out, preset=preset, start=start, sources=sources, **given(**sizes))


@train.command()
@PREPARED
@click.option("--base", default=DEFAULT_BASE, show_default=True, help="Hub name or local folder")
@START
@SOURCES
@RUN_OUT
@fitting_options
@click.option("--accumulate", type=click.IntRange(1), help="batches that make one step together; default: 1")
@click.option(
    "--freeze-layers",
    "frozen_layers",
    type=click.IntRange(1),
    metavar="N",
    help="embeddings and the lowest N layers stay as they are: faster, less memory; default: all learn",
)
def distilbert(
    prepared: Path, base: str, out: Path, start: Path | None, sources: tuple[str, ...], **sizes: Any
) -> None:
    """Fine-tune a transformer encoder, DistilBERT or any other; it can teach others (`distill`)."""
    from training.data.rows import read_rows
    from training.pipeline import train_encoder

    train_encoder(read_rows(prepared), base, out, start=start, sources=sources, **given(**sizes))
