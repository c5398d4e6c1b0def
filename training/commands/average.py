"""``average``: one model out of several runs."""

from pathlib import Path

import click

from training.commands.options import FOLDER


@click.command()
@click.argument("runs", type=FOLDER, nargs=-1, required=True)
@click.option("--out", type=FOLDER, required=True, help="run folder to write; `export` and `evaluate` it before use")
def average(runs: tuple[Path, ...], out: Path) -> None:
    """Write the mean of the weights of RUNS, encoders that began with the same weights, as a run."""
    from training.averaging import average_runs

    if len(set(runs)) < max(2, len(runs)):
        raise click.UsageError("name two runs at least, each once")
    average_runs(runs, out)
    click.echo(f"{out}: the mean of {', '.join(map(str, runs))}")
