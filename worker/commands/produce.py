"""``python -m worker produce``: put the tweets of a file on the raw topic."""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import click
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from worker.commands.reading import FORMATS, SAMPLES, Columns, Format, Item, read_items
from worker.errors import PublishFailed
from worker.options import FiniteRange, settings_options
from worker.preflight import partitions_of
from worker.publisher import LARGEST_REQUEST_BYTES
from worker.settings import CONNECTION, KafkaSettings

_REPORT_EVERY_S = 0.1
_KEPT_ERRORS = 5
_INTERRUPTED = 130


@click.command()
@click.argument("file", required=False)
@settings_options(kafka=KafkaSettings, only=(*CONNECTION, "raw_topic"))
@click.option("--samples", is_flag=True, help="the sample tweets that come with this program instead of FILE")
@click.option("--format", "form", type=click.Choice(FORMATS), help="default: by the file's name, else lines")
@click.option("--text-column", "text", help="of a table, the column that holds the text; default: text")
@click.option("--id-column", "id", help="the column or JSON field that holds the id; default: id")
@click.option("--time-column", "created_at", help="of a table, the column that holds the time; default: created_at")
@click.option("--time-format", help="how the column writes it, e.g. '%m/%d/%Y %H:%M'; default: as ISO 8601 or Twitter")
@click.option("--key", "key_column", help="column or JSON field (user.id_str) that keys the records; default: the id")
@click.option("--rate", type=FiniteRange(0, min_open=True), help="tweets a second; default: as fast as it goes")
@click.option("--limit", type=click.IntRange(1), help="stop after so many")
@click.option("--loop", is_flag=True, help="begin again at the end of the file, until --limit or Ctrl-C")
def produce(  # noqa: PLR0913, PLR0917 - a parameter an option
    file: str | None,
    kafka: KafkaSettings,
    samples: bool,
    form: Format | None,
    time_format: str | None,
    key_column: str | None,
    rate: float | None,
    limit: int | None,
    loop: bool,
    **columns_named: str | None,
) -> None:
    """Produce FILE (JSON lines, CSV, TSV, plain lines; gzipped too; - for standard input) to the raw topic.

    Lines go as they are, good or bad; rows become JSON objects. The same key always goes to the same partition, the
    one that Java's default partitioner would take.
    """
    if (file is None) != samples:
        raise click.UsageError("name one FILE, - for standard input, or --samples")
    path = str(SAMPLES) if file is None else file
    if loop and path == "-":
        raise click.UsageError("--loop needs a file, standard input comes only once")
    named = {meaning: column for meaning, column in columns_named.items() if column is not None}
    columns = Columns(**named, key=key_column, named=frozenset(named), time_format=time_format)
    partitions_of(kafka, kafka.raw_topic)
    items = repeated(lambda: read_items(path, columns, form)) if loop else read_items(path, columns, form)
    sent = _send_with_progress(kafka, paced(itertools.islice(items, limit), rate), limit)
    click.echo(f"{sent.confirmed} tweets confirmed on {kafka.raw_topic} in {sent.took_s:.1f} s", err=True)
    for error in sent.errors:
        click.echo(f"not confirmed: {error}", err=True)
    if sent.waiting:
        click.echo(f"{sent.waiting} more were sent; whether they arrived was not waited for", err=True)
    if sent.failed:
        raise PublishFailed(f"{sent.failed} tweets were not confirmed")
    if sent.unread:
        raise sent.unread
    if sent.interrupted:
        raise SystemExit(_INTERRUPTED)


def repeated(read: Callable[[], Iterable[Item]]) -> Iterator[Item]:
    """All items again and again; ends where there are none."""
    while True:
        item = None
        for item in read():
            yield item
        if item is None:
            return


@dataclass(slots=True)
class Sent:
    """What became of the items; ``errors`` are the first few."""

    confirmed: int = 0
    failed: int = 0
    errors: list[str] = field(default_factory=list)
    took_s: float = 0.0
    interrupted: bool = False
    waiting: int = 0
    """Neither confirmed nor refused when a second Ctrl-C ended the waiting."""
    unread: click.ClickException | None = None
    """Why the items ended before their end."""

    def fail(self, number: int, reason: str) -> None:
        """Count one that was refused; ``number`` starts at 1."""
        self.failed += 1
        if self.failed <= _KEPT_ERRORS:
            self.errors.append(f"tweet {number}: {reason}")


def _send_with_progress(kafka: KafkaSettings, items: Iterable[Item], limit: int | None) -> Sent:
    console = Console(stderr=True)
    columns = (TextColumn("producing"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("producing", total=limit)
        return send_all(kafka, items, lambda sent: progress.update(task, completed=sent.confirmed))


def send_all(kafka: KafkaSettings, items: Iterable[Item], report: Callable[[Sent], None] = lambda _: None) -> Sent:
    """Produce in order, idempotently, and wait for every confirmation. A Ctrl-C ends the reading, a second the waiting.

    Args:
        kafka: where to.
        items: may come slowly.
        report: called now and then with what is known by then.
    """
    producer = Producer(
        {
            **kafka.client_config(),
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 5,
            "partitioner": "murmur2_random",
            "message.max.bytes": LARGEST_REQUEST_BYTES,
        }
    )
    sent, started, reported = Sent(), time.monotonic(), 0.0
    try:
        for number, item in enumerate(items, start=1):
            _send(producer, kafka.raw_topic, number, item, sent)
            if time.monotonic() - reported > _REPORT_EVERY_S:
                report(sent)
                reported = time.monotonic()
    except KeyboardInterrupt:
        sent.interrupted = True
    except click.ClickException as error:
        sent.unread = error
    try:
        producer.flush()
    except KeyboardInterrupt:
        sent.interrupted, sent.waiting = True, len(producer)
    sent.took_s = time.monotonic() - started
    report(sent)
    return sent


def _send(producer: Producer, topic: str, number: int, item: Item, sent: Sent) -> None:
    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is None:
            sent.confirmed += 1
        else:
            sent.fail(number, error.str())

    while True:
        try:
            producer.produce(topic, item.value, item.key, on_delivery=delivered)
        except BufferError:
            producer.poll(0.1)
            continue
        except KafkaException as error:
            sent.fail(number, error.args[0].str())
        producer.poll(0)
        return


def paced(
    items: Iterable[Item],
    rate: float | None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Item]:
    """The items, ``rate`` a second; one that comes late does not hold up the next ones more than it must."""
    due = clock()
    for item in items:
        if rate is not None:
            now = clock()
            due = max(due, now - 1.0)
            if due > now:
                sleep(due - now)
            due += 1 / rate
        yield item
