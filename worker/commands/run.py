"""``python -m worker run``: label the stream until told to stop."""

import click

from worker.options import settings_options
from worker.settings import KafkaSettings, WorkerSettings


@click.command()
@settings_options(kafka=KafkaSettings, worker=WorkerSettings)
def run(kafka: KafkaSettings, worker: WorkerSettings) -> None:
    """Read raw tweets, publish labelled events, keep the live counts; SIGTERM or Ctrl-C stops it cleanly."""
    from worker.errors import WorkerError
    from worker.inference.errors import InferenceError
    from worker.logging import configure_logging
    from worker.service import run_worker

    configure_logging(worker)
    try:
        code = run_worker(kafka, worker)
    except (WorkerError, InferenceError) as error:
        click.echo(f"error: {error}", err=True)
        code = getattr(error, "exit_code", 1)
    raise SystemExit(code)
