"""``python -m worker produce``: put the tweets of a file on the raw topic."""

import time
from collections.abc import Iterable, Iterator
from itertools import islice

import click
from confluent_kafka import KafkaError, Message, Producer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from worker.commands.reading import Item, read_items
from worker.errors import WorkerError
from worker.options import settings_options
from worker.preflight import wait_for_broker
from worker.settings import KafkaSettings

_POLL_EVERY = 500


@click.command()
@click.argument("file")
@settings_options(kafka=KafkaSettings)
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="tweets a second; default: as fast as it goes")
@click.option("--limit", type=click.IntRange(1), help="stop after so many")
@click.option("--text-column", default="text", show_default=True, help="the CSV column that holds the text")
@click.option("--key-field", help="field or column whose value keys the record; default: id")
def produce(
    file: str, kafka: KafkaSettings, rate: float | None, limit: int | None, text_column: str, key_field: str | None
) -> None:
    """Produce FILE (JSON lines, CSV, plain lines; .gz too; - for standard input) to the raw topic."""
    try:
        wait_for_broker(kafka)
    except WorkerError as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(error.exit_code) from error
    items = islice(read_items(file, text_column, key_field), limit)
    console = Console(stderr=True)
    columns = (TextColumn("producing"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("producing", total=limit)
        confirmed, failures = send_all(kafka, _paced(items, rate), lambda n: progress.update(task, completed=n))
    click.echo(f"{confirmed} tweets confirmed on {kafka.raw_topic}", err=True)
    if failures:
        raise click.ClickException(f"{len(failures)} tweets were not confirmed; first: {failures[0]}")


def send_all(kafka: KafkaSettings, items: Iterable[Item], report: object = None) -> tuple[int, list[str]]:
    """Produce and wait for the confirmations; returns how many were confirmed and the errors of the others."""
    producer = Producer(
        {**kafka.client_config(), "enable.idempotence": True, "linger.ms": 5, "partitioner": "murmur2_random"}
    )
    confirmed, failures = 0, list[str]()

    def delivered(error: KafkaError | None, _: Message) -> None:
        nonlocal confirmed
        if error is None:
            confirmed += 1
        else:
            failures.append(error.str())

    for number, item in enumerate(items):
        while True:
            try:
                producer.produce(kafka.raw_topic, item.value, item.key, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
        if callable(report) and number % _POLL_EVERY == 0:
            report(confirmed)
    producer.flush()
    if callable(report):
        report(confirmed)
    return confirmed, failures


def _paced(items: Iterable[Item], rate: float | None) -> Iterator[Item]:
    started = time.monotonic()
    for number, item in enumerate(items):
        if rate is not None:
            time.sleep(max(0.0, started + number / rate - time.monotonic()))
        yield item
