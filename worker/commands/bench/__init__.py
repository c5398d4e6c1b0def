"""``python -m worker bench``: how fast it is here; each measurement is imported when it is called."""

from importlib import import_module

import click

INSTALL = "`pip install --editable '.[bench]'` in a checkout"

MEASUREMENTS = {
    "engine": "The bundle's engine alone, over batch sizes and lengths.",
    "pipeline": "The whole worker on a broker, beside its engine alone; and the CPU of its edge.",
    "scaling": "The whole worker over batch sizes, partitions, workers and backlogs.",
    "latency": "From arrival to readable event at half of the sustainable rate; memory; start to ready.",
    "compare": "Beside transformers' pipeline, Keras and a plain Kafka loop, in the same run.",
    "cleaning": "Cleaning alone, and what cleaning and tokenising take of the engine's time.",
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's protocol
        return list(MEASUREMENTS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's protocol
        if cmd_name not in MEASUREMENTS:
            return None
        try:
            module = import_module(f"worker.commands.bench.{cmd_name}")
        except ModuleNotFoundError as error:
            raise click.ClickException(f"{error.name} is missing: {INSTALL}") from error
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        with formatter.section("Measurements"):
            formatter.write_dl(list(MEASUREMENTS.items()))


@click.command(cls=_LazyGroup)
def bench() -> None:
    """Measure on this machine; a table, a JSON file and, with --plot, a picture."""
