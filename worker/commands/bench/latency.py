"""``python -m worker bench latency``: from a tweet's arrival to its readable event, at half of the sustainable rate."""

import random
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import click
from confluent_kafka import Consumer, Producer, TopicPartition

from worker.commands.bench.load import raw_values
from worker.commands.bench.options import LoadOptions, load_options, settings_of
from worker.commands.bench.pipeline import MEASURED
from worker.commands.bench.report import Measured, Report, Target, publish, report_options
from worker.commands.bench.stand import WORKER, Running, Stand, stand_options, stands
from worker.commands.bench.timing import Spread, quantile
from worker.options import FiniteRange, settings_options
from worker.settings import WorkerSettings

_STARTS = 3
_BACKLOG = 0.25
"""Share of a run's tweets that tell the sustainable rate, waiting when the worker gets to them."""
_SETTLING = 0.2
"""Share of the others that come first and are not timed."""
_READ_BOUND_S = 30.0


@click.command()
@settings_options(worker=WorkerSettings, only=MEASURED)
@stand_options
@click.option("--share", type=FiniteRange(0, 1, min_open=True), default=0.5, show_default=True, help="of the rate")
@load_options(tweets=6_000, runs=3)
@report_options
def latency(
    worker: WorkerSettings,
    kafka_home: Path | None,
    partitions: int,
    share: float,
    asked: LoadOptions,
    target: Target,
) -> None:
    """Seconds from producing a tweet to reading its event, with memory and the time from start to ready."""
    settings = {name: getattr(worker, name) for name in MEASURED}
    settings |= {"kafka_home": kafka_home, "partitions": partitions, "share": share}
    report = Report("latency", settings_of(asked, **settings), [Measured.of(worker.bundle)])
    warm_up, *loads = asked.loads()
    with stands(kafka_home) as stand_on:
        stand = stand_on(worker, partitions)
        starts = []
        for _ in range(_STARTS - 1):
            with stand.running(*WORKER) as program:
                starts.append(program.wait_until_ready())
        with stand.running(*WORKER) as program:
            starts.append(program.wait_until_ready())
            chance = random.Random(asked.seed)  # noqa: S311 - arrivals, no secret
            _run(stand, program, warm_up, share, chance)
            runs = [_run(stand, program, load, share, chance) for load in loads]
            stand.check(program, sum(map(len, [warm_up, *loads])))
            memory_mb = program.memory_mb()
    report.add("sustainable rate", "tweets/s", Spread.of([rate for rate, _ in runs]))
    report.add("offered rate", "tweets/s", Spread.of([arrived.rate for _, arrived in runs]))
    for name, quota in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        report.add(
            f"arrival to readable event, {name}", "ms", Spread.of([quantile(run.after_ms, quota) for _, run in runs])
        )
    report.add("memory of the worker after it", "MB", Spread.of([memory_mb]))
    report.add("start to ready", "s", Spread.of(starts))
    publish(report, target)


@dataclass(frozen=True, slots=True)
class Arrived:
    """Tweets that came at random moments."""

    rate: float
    """Tweets a second that really came; a load generator that is short of CPU falls behind."""
    after_ms: list[float]
    """From arrival to readable event, of each tweet but the first ones."""


def _run(stand: Stand, program: Running, load: list[str], share: float, chance: random.Random) -> tuple[float, Arrived]:
    """The sustainable rate, as a host that others share has it now, and what tweets at a share of it take."""
    backlog = int(len(load) * _BACKLOG)
    rate = stand.drain(program, raw_values(load[:backlog])).rate
    return rate, timed(stand, load[backlog:], rate * share, chance)


def timed(stand: Stand, load: list[str], rate: float, chance: random.Random) -> Arrived:
    """Let tweets arrive at random moments (Poisson), ``rate`` a second, and read their events.

    Raises:
        click.ClickException: an event does not come.
    """
    read: dict[int, float] = {}
    reader = _reader(stand)
    # A daemon: who interrupts the load does not wait for its events.
    thread = threading.Thread(target=_read, args=(reader, len(load), read), name="reader", daemon=True)
    thread.start()
    sent = _send(stand, load, rate, chance)
    thread.join()
    reader.close()
    if len(read) < len(load):
        raise click.ClickException(f"{len(load) - len(read)} events did not come")
    timed_ones = range(int(len(load) * _SETTLING), len(load))
    after_ms = [(read[number] - sent[number]) * 1000 for number in timed_ones]
    return Arrived(len(sent) / (sent[-1] - sent[0]), after_ms)


def _reader(stand: Stand) -> Consumer:
    config = {"group.id": "bench-reader", "enable.auto.commit": False, "auto.offset.reset": "latest"}
    consumer = Consumer(stand.kafka.client_config() | config)
    topic = stand.kafka.emotion_topic
    consumer.assign([TopicPartition(topic, partition, end) for partition, end in stand.ends().items()])
    consumer.poll(0.5)
    return consumer


def _read(reader: Consumer, wanted: int, read: dict[int, float]) -> None:
    heard = time.perf_counter()
    while len(read) < wanted and time.perf_counter() - heard < _READ_BOUND_S:
        message = reader.poll(0.1)
        if message is not None and message.error() is None:
            heard = time.perf_counter()
            read.setdefault(int(cast("bytes", message.key())), heard)


def _send(stand: Stand, load: list[str], rate: float, chance: random.Random) -> list[float]:
    """Produce as librdkafka does by default, without keys: 5 ms of linger, which count, and a partition for 10 ms."""
    producer = Producer(stand.kafka.client_config())
    sent: list[float] = []
    due = time.perf_counter()
    for value in raw_values(load):
        due += chance.expovariate(rate)
        if (left := due - time.perf_counter()) > 0:
            time.sleep(left)
        sent.append(time.perf_counter())
        producer.produce(stand.kafka.raw_topic, value)
        producer.poll(0)
    producer.flush(30)
    return sent
