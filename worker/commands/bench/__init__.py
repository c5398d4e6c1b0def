"""``python -m worker bench``: how fast it is here."""

import signal

import click

from worker.commands.lazy import LazyGroup

INSTALL = "`pip install --editable '.[bench]'` in a checkout"

MEASUREMENTS = {
    "engine": "The bundle's engine alone, over batch sizes and lengths.",
    "pipeline": "The whole worker on a broker, beside its engine alone; and the CPU of its edge.",
    "scaling": "The whole worker over batch sizes, lengths, partitions, workers and backlogs.",
    "latency": "From arrival to readable event at half of the sustainable rate; memory; start to ready.",
    "compare": "Beside transformers' pipeline, Keras and a plain Kafka loop, in the same run.",
    "cleaning": "Cleaning alone, and what cleaning and tokenising take of the engine's time.",
}


class _Installed(LazyGroup):
    """Says what to install where a measurement needs more than is there."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        try:
            return super().get_command(ctx, cmd_name)
        except ModuleNotFoundError as error:
            raise click.ClickException(f"{error.name} is missing: {INSTALL}") from error


@click.command(cls=_Installed, package="worker.commands.bench", summaries=MEASUREMENTS)
def bench() -> None:
    """Measure on this machine; a table, a JSON file and, with --plot, a picture."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends what it started, as Ctrl-C does
