"""``student``: a smaller encoder to begin a distillation with."""

from pathlib import Path

import click

from training.commands.options import FOLDER


@click.command()
@click.option("--teacher", type=FOLDER, required=True, help="folder of a BERT-like or MPNet encoder of transformers")
@click.option("--layers", type=click.IntRange(1), default=6, show_default=True, help="how many of its layers to take")
@click.option(
    "--out", type=FOLDER, required=True, help="folder to write; a --base for `train distilbert` and `distill`"
)
def student(teacher: Path, layers: int, out: Path) -> None:
    """Cut a DistilBERT out of a larger encoder: the same width and vocabulary, every second layer."""
    from training.student import write_student

    taken = write_student(teacher, out, layers)
    click.echo(f"{out}: DistilBERT of layers {', '.join(map(str, taken))} of {teacher}")
