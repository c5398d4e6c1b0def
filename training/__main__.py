"""``python -m training``: prepare, train, export, evaluate, compare."""

import itertools
import json
from pathlib import Path
from typing import Any

import click

from training.errors import TrainingError
from worker.inference.errors import InferenceError

DATA = click.option("--data", type=click.Path(path_type=Path), envvar="EMOTION_DATA", help="folder of the data sets")
PREPARED = click.option(
    "--prepared", type=click.Path(path_type=Path), required=True, help="folder that `prepare` wrote"
)
GLOVE = click.option(
    "--glove", type=click.Path(path_type=Path), envvar="EMOTION_GLOVE", help="GloVe .npz; default: below --data"
)
TEACHERS = click.option(
    "--teacher",
    "teachers",
    type=click.Path(path_type=Path),
    multiple=True,
    help="run of `train distilbert`: learn from its soft labels, on unlabelled rows too; several are averaged",
)
START = click.option(
    "--start", type=click.Path(path_type=Path), help="run, or for an LSTM also a bundle, whose weights to begin with"
)


class _Clear(click.Group):
    """Our own errors end with one line instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (TrainingError, InferenceError) as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Clear, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Make, measure and export the models that the worker serves."""


def _folder(data: Path | None) -> Path:
    if data is None:
        raise click.UsageError("name the folder of the data sets with --data (EMOTION_DATA)")
    return data


@main.command()
@DATA
@click.option("--mix", type=click.Choice(["product", "dair", "emoint"]), default="product", show_default=True)
@click.option("--rows", "own", type=click.Path(path_type=Path), multiple=True, help="own JSONL, CSV or TSV files")
@click.option("--unlabelled/--no-unlabelled", default=True, help="take raw tweets for distillation too")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="folder for rows.parquet and the reports")
def prepare(data: Path | None, mix: str, own: tuple[Path, ...], unlabelled: bool, out: Path) -> None:
    """Load and inspect, clean, encode labels, split without leaks, save."""
    from training import prepare as steps
    from training import sources

    if own:
        rows = itertools.chain.from_iterable(sources.own_file(path) for path in own)
    else:
        folder = _folder(data)
        names = (*sources.MIXES[mix], *(["unlabelled"] if unlabelled else []))
        rows = itertools.chain.from_iterable(sources.SOURCES[name](folder) for name in names)
    report = steps.prepare(rows, out)
    click.echo(json.dumps(report, indent=2))


@main.group()
def train() -> None:
    """Train a model."""


@train.command("lstm")
@DATA
@PREPARED
@GLOVE
@click.option("--out", type=click.Path(path_type=Path), required=True, help="run folder; an interrupted run resumes")
@click.option("--preset", type=click.Choice(["product", "reference", "tiny"]), default="product", show_default=True)
@TEACHERS
@START
@click.option("--epochs", type=click.IntRange(1))
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True))
def lstm(
    data: Path | None,
    prepared: Path,
    glove: Path | None,
    out: Path,
    preset: str,
    teachers: tuple[Path, ...],
    start: Path | None,
    **sizes: Any,
) -> None:
    """Three bidirectional LSTM layers on frozen GloVe vectors."""
    from training.pipeline import train_lstm

    path = glove or (data / "glove" / "glove.6B.100d.f16.npz" if data else None)
    given = {name: value for name, value in sizes.items() if value is not None}
    train_lstm(prepared, path, out, preset=preset, teachers=teachers, start=start, **given)


@train.command("distilbert")
@PREPARED
@click.option("--base", default="distilbert-base-uncased", show_default=True, help="Hub name or local folder")
@TEACHERS
@START
@click.option("--out", type=click.Path(path_type=Path), required=True, help="run folder; an interrupted run resumes")
@click.option("--epochs", type=click.IntRange(1))
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True))
@click.option("--batch", type=click.IntRange(1))
@click.option("--accumulate", type=click.IntRange(1))
def distilbert(
    prepared: Path, base: str, out: Path, teachers: tuple[Path, ...], start: Path | None, **sizes: Any
) -> None:
    """Fine-tune a transformer encoder, DistilBERT or any other; its logits for all rows can teach others."""
    from training.pipeline import train_encoder

    given = {name: value for name, value in sizes.items() if value is not None}
    train_encoder(prepared, base, out, teachers=teachers, start=start, **given)


@main.command("export")
@PREPARED
@click.option("--run", type=click.Path(path_type=Path), required=True, help="run of `train lstm` or `train distilbert`")
@click.option("--bundle", type=click.Path(path_type=Path), required=True, help="folder to write")
@click.option("--name", help="name of the bundle; default: by its kind")
@click.option("--bundle-version", default="1", show_default=True)
def export_bundle(prepared: Path, run: Path, bundle: Path, name: str | None, bundle_version: str) -> None:
    """Check the served model against the rules and write its bundle."""
    from training.pipeline import export_run

    manifest = export_run(prepared, run, bundle, name=name, bundle_version=bundle_version)
    click.echo(manifest.model_dump_json(indent=2, include={"temperature", "agreement", "metrics"}))


@main.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--data", "files", type=click.Path(path_type=Path), multiple=True, required=True, help="JSONL, CSV or TSV"
)
@click.option("--out", type=click.Path(path_type=Path), help="folder for evaluation.json and evaluation.html")
def evaluate(bundle: Path, files: tuple[Path, ...], out: Path | None) -> None:
    """Score labelled rows through the worker's own engine."""
    from training.evaluate import evaluate as score

    for path, result in score(bundle, files, out).items():
        low, high = result["accuracy_95"]
        click.echo(
            f"{path}: {result['rows']} rows, accuracy {result['accuracy']:.4f} [{low:.4f}, {high:.4f}], "
            f"macro-F1 {result['macro_f1']:.4f}, ECE {result['ece']:.4f}"
        )


@main.command()
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option(
    "--data", "files", type=click.Path(path_type=Path), multiple=True, required=True, help="JSONL, CSV or TSV"
)
def compare(first: Path, second: Path, files: tuple[Path, ...]) -> None:
    """Two bundles on the same rows, with an exact McNemar test."""
    from training.evaluate import compare as test

    click.echo(json.dumps(test(first, second, files), indent=2))


if __name__ == "__main__":
    main(prog_name="python -m training")
