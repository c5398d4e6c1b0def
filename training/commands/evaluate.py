"""``evaluate`` and ``compare``."""

import json
from pathlib import Path

import click

from training.commands.options import FOLDER


@click.command()
@click.argument("bundle", type=FOLDER)
@click.option("--data", "files", type=FOLDER, multiple=True, required=True, help="JSONL, CSV or TSV")
@click.option("--out", type=FOLDER, help="folder for evaluation.json and evaluation.html")
def evaluate(bundle: Path, files: tuple[Path, ...], out: Path | None) -> None:
    """Score labelled rows through the worker's own engine."""
    from training.evaluation import evaluate as score

    for path, result in score(bundle, files, out).items():
        low, high = result["accuracy_95"]
        click.echo(
            f"{path}: {result['rows']} rows, accuracy {result['accuracy']:.4f} [{low:.4f}, {high:.4f}], "
            f"macro-F1 {result['macro_f1']:.4f}, ECE {result['ece']:.4f}"
        )


@click.command()
@click.argument("first", type=FOLDER)
@click.argument("second", type=FOLDER)
@click.option("--data", "files", type=FOLDER, multiple=True, required=True, help="JSONL, CSV or TSV")
def compare(first: Path, second: Path, files: tuple[Path, ...]) -> None:
    """Two bundles on the same rows, with an exact McNemar test."""
    from training.evaluation import compare as test

    click.echo(json.dumps(test(first, second, files), indent=2))
