"""``python -m worker``: the commands; each is imported when it is called, so that help is quick."""

from importlib import import_module
from typing import Any

import click

from worker.errors import WorkerError
from worker.inference.errors import InferenceError

COMMANDS = {
    "run": "Label the stream until told to stop.",
    "demo": "A whole stream on this machine: broker, topics, worker, sample tweets.",
    "topics": "Create or check the topics.",
    "produce": "Put the tweets of a file on the raw topic.",
    "tail": "Show labelled events as they come.",
    "counts": "Show the rolling counts of a running worker.",
    "dead": "List, show and redrive dead letters.",
    "label": "Label a text without Kafka.",
    "bench": "Measure how fast it is on this machine.",
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's protocol
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's protocol
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"worker.commands.{cmd_name}"), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error of ours ends it with a clear line and its own exit code."""
        try:
            return super().invoke(ctx)
        except (WorkerError, InferenceError) as error:
            click.echo(f"error: {error}", err=True)
            raise SystemExit(error.exit_code) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def main() -> None:
    """Emotions of tweets, live: raw tweets in from Kafka, labelled events and rolling counts out."""
    from worker.logging import log_to_standard_error  # noqa: PLC0415 - help must stay quick

    log_to_standard_error()


if __name__ == "__main__":
    main(prog_name="python -m worker")
