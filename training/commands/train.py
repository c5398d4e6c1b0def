"""``train lstm`` and ``train distilbert``."""

from pathlib import Path
from typing import Any

import click

from training.commands.options import DATA, GLOVE, PREPARED, RUN_OUT, START, given, glove_path


@click.group()
def train() -> None:
    """Train a model."""


@train.command()
@DATA
@PREPARED
@GLOVE
@RUN_OUT
@click.option("--preset", type=click.Choice(["product", "reference", "tiny"]), default="product", show_default=True)
@START
@click.option("--epochs", type=click.IntRange(1))
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True))
def lstm(
    data: Path | None,
    prepared: Path,
    glove: Path | None,
    out: Path,
    preset: str,
    start: Path | None,
    **sizes: Any,
) -> None:
    """Three bidirectional LSTM layers on frozen GloVe vectors."""
    from training.pipeline import train_lstm

    path = glove_path(glove, data)
    train_lstm(prepared, path, out, preset=preset, start=start, **given(**sizes))


@train.command()
@PREPARED
@click.option("--base", default="distilbert-base-uncased", show_default=True, help="Hub name or local folder")
@START
@RUN_OUT
@click.option("--epochs", type=click.IntRange(1))
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True))
@click.option("--batch", type=click.IntRange(1))
@click.option("--accumulate", type=click.IntRange(1))
def distilbert(prepared: Path, base: str, out: Path, start: Path | None, **sizes: Any) -> None:
    """Fine-tune a transformer encoder, DistilBERT or any other; it can teach others (`distill`)."""
    from training.pipeline import train_encoder

    train_encoder(prepared, base, out, start=start, **given(**sizes))
