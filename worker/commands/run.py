"""``python -m worker run``: label the stream until told to stop."""

import click

from worker.options import settings_options
from worker.settings import KafkaSettings, WorkerSettings, heaps_are_set


@click.command()
@settings_options(kafka=KafkaSettings, worker=WorkerSettings)
def run(kafka: KafkaSettings, worker: WorkerSettings) -> None:
    """Read raw tweets, publish labelled events, keep the live counts; SIGTERM or Ctrl-C stops it cleanly."""
    from worker.inference.memory import share_one_heap

    if not heaps_are_set():
        share_one_heap()  # before the libraries that the service loads begin threads
    from worker.logging import configure_logging
    from worker.service import run_worker

    configure_logging(worker)
    raise SystemExit(run_worker(kafka, worker))
