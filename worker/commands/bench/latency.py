"""``python -m worker bench latency``: from a tweet's arrival to its readable event, at half of the sustainable rate."""

import random
import threading
import time
from pathlib import Path
from typing import cast

import click
from confluent_kafka import Consumer, Producer, TopicPartition

from worker.commands.bench.load import raw_values
from worker.commands.bench.options import LoadOptions, load_options, settings_of
from worker.commands.bench.pipeline import MEASURED
from worker.commands.bench.report import Report, Target, publish, report_options
from worker.commands.bench.stand import WORKER, Stand, stand_options, stands
from worker.commands.bench.timing import Spread, quantile
from worker.options import settings_options
from worker.settings import WorkerSettings

_STARTS = 3
_SETTLING = 0.2
"""Share of a run's tweets that come first and are not timed."""
_READ_BOUND_S = 30.0


@click.command()
@settings_options(worker=WorkerSettings, only=MEASURED)
@stand_options
@click.option("--share", type=click.FloatRange(0, 1, min_open=True), default=0.5, show_default=True, help="of the rate")
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
    report = Report("latency", settings_of(asked, **settings))
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
            sixth = len(warm_up) // 6
            rate = stand.drain(program, raw_values(warm_up[:sixth])).rate
            timed(stand, warm_up[sixth:-sixth], rate * share, chance)
            rate = stand.drain(program, raw_values(warm_up[-sixth:])).rate
            runs = [timed(stand, load, rate * share, chance) for load in loads]
            stand.check(program, sum(map(len, [warm_up, *loads])))
            memory_mb = program.memory_mb()
    report.add("sustainable rate", "tweets/s", Spread.of([rate]))
    report.add("offered rate", "tweets/s", Spread.of([rate * share]))
    for name, quota in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        report.add(f"arrival to readable event, {name}", "ms", Spread.of([quantile(run, quota) for run in runs]))
    report.add("memory of the worker after it", "MB", Spread.of([memory_mb]))
    report.add("start to ready", "s", Spread.of(starts))
    publish(report, target)


def timed(stand: Stand, load: list[str], rate: float, chance: random.Random) -> list[float]:
    """Milliseconds of each tweet but the first ones; tweets arrive at random moments (Poisson), ``rate`` a second.

    Raises:
        click.ClickException: an event does not come.
    """
    read: dict[int, float] = {}
    reader = _reader(stand)
    thread = threading.Thread(target=_read, args=(reader, len(load), read), name="reader")
    thread.start()
    sent = _send(stand, load, rate, chance)
    thread.join()
    reader.close()
    if len(read) < len(load):
        raise click.ClickException(f"{len(load) - len(read)} events did not come")
    timed_ones = range(int(len(load) * _SETTLING), len(load))
    return [(read[number] - sent[number]) * 1000 for number in timed_ones]


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
    producer = Producer(stand.kafka.client_config())  # its own 5 ms of linger count: a request a tweet is no real load
    sent: list[float] = []
    due = time.perf_counter()
    for number, value in enumerate(raw_values(load)):
        due += chance.expovariate(rate)
        if (left := due - time.perf_counter()) > 0:
            time.sleep(left)
        sent.append(time.perf_counter())
        producer.produce(stand.kafka.raw_topic, value, str(number).encode(), number % stand.partitions)
        producer.poll(0)
    producer.flush(30)
    return sent
