"""``python -m worker``: the commands."""

import io
import sys
from typing import Any

import click

from worker.commands.lazy import LazyGroup
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


class _Clear(LazyGroup):
    """An error of ours ends a command with a clear line and its own exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (WorkerError, InferenceError) as error:
            click.echo(f"error: {error}", err=True)
            raise SystemExit(error.exit_code) from error


@click.command(
    cls=_Clear,
    package="worker.commands",
    summaries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
def main() -> None:
    """Emotions of tweets, live: raw tweets in from Kafka, labelled events and rolling counts out."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal of another encoding has no bars and emoji
    from worker.logging import log_to_standard_error  # noqa: PLC0415 - help must stay quick

    log_to_standard_error()


if __name__ == "__main__":
    main(prog_name="python -m worker")
