"""A stand to measure on: a broker, fresh topics, a load on the raw topic, and workers as processes of their own."""

import contextlib
import os
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any, cast

import click
import orjson
import psutil
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from worker import tether
from worker.brokers import ApacheKafka, EmbeddedBroker, free_port
from worker.commands.topics import create_topics
from worker.options import KAFKA_HOME
from worker.settings import KafkaSettings, WorkerSettings

WORKER = ("-m", "worker", "run")
_POLL_S = 0.03
_BOUND_S = 300.0
_STOP_S = 20.0
_MOST_IN_LAST_BATCHES = 10_000
_END_WAIT_S = 0.3
_WARM_UP_SHARE = 0.15


_AS_BY_DEFAULT = {"WORKER_HTTP_HOST": "127.0.0.1", "WORKER_HTTP_TOKEN_FILE": "", "WORKER_RETENTION_S": ""}
"""Whatever the environment of whoever measures says: the counts are asked for."""


@dataclass(slots=True)
class Running:
    """A program under measurement."""

    process: Popen[bytes]
    port: int
    log: Path
    started: float = field(default_factory=time.perf_counter)

    def wait_until_ready(self) -> float:
        """Wait for ``/readyz``; returns the seconds since the start."""
        self.wait(lambda: self._asks("/readyz").get("ready"), "is not ready")
        return time.perf_counter() - self.started

    def counted(self) -> int:
        """Tweets in the counts."""
        return int(self._asks("/counts?window=1h").get("total", 0))

    def _asks(self, path: str) -> dict[str, Any]:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer,
        ):
            found: dict[str, Any] = orjson.loads(answer.read())
            return found
        return {}

    def cpu_s(self) -> float:
        """CPU time that it has used, all threads."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def memory_mb(self) -> float:
        """Resident memory."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Look until ``condition`` holds.

        Raises:
            click.ClickException: the program ended, or the bound passed; the end of its log is quoted.
        """
        deadline = time.monotonic() + _BOUND_S
        while not condition():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise click.ClickException(f"the measured program {what}:\n{tether.last_lines(self.log)}")
            time.sleep(_POLL_S)


@dataclass(frozen=True, slots=True)
class Drained:
    """One measured stretch of a backlog."""

    tweets: int
    seconds: float
    cpu_s: float
    broker_cpu_s: float

    @property
    def rate(self) -> float:
        """Tweets a second."""
        return self.tweets / self.seconds

    @property
    def each_s(self) -> float:
        """CPU seconds of a tweet, program and broker together."""
        return (self.cpu_s + self.broker_cpu_s) / self.tweets


class Stand:
    """Topics of their own on a broker of their own.

    Args:
        kafka: how to reach the broker; the topics' names are replaced.
        worker: the settings of the measured workers.
        broker_pid: whose CPU is noted.
        lists_ends: whether the broker lists the offset behind the last event; the embedded one lists the first of the
            last batch instead.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        worker: WorkerSettings,
        folder: Path,
        partitions: int,
        broker_pid: int,
        *,
        lists_ends: bool,
    ) -> None:
        name = f"bench-{uuid.uuid4().hex[:8]}"
        names = {"raw_topic": f"{name}.raw", "emotion_topic": f"{name}.emotion", "dead_topic": f"{name}.dead"}
        self.kafka = kafka.model_copy(update=names)
        self.worker = worker.model_copy(update={"app_id": name})
        self.partitions, self._folder, self._lists_ends = partitions, folder, lists_ends
        self._broker = psutil.Process(broker_pid)
        create_topics(self.kafka, self.worker, partitions=partitions)
        self._admin = AdminClient(self.kafka.client_config())
        self._listed: dict[int, int] = {}

    @contextlib.contextmanager
    def running(self, *program: str) -> Iterator[Running]:
        """Run a Python program with the stand's settings in its environment: a worker, or what it is compared with."""
        number = uuid.uuid4().hex[:6]
        port, log = free_port(), self._folder / f"{number}.log"
        settings = {"KAFKA": self.kafka, "WORKER": self.worker}
        told = {
            f"{prefix}_{name.upper()}": str(value)
            for prefix, model in settings.items()
            for name, value in model.model_dump(exclude_none=True).items()
            if value is not None
        }
        own = {"WORKER_HTTP_PORT": str(port), "WORKER_DATA_DIR": str(self._folder / number)} | _AS_BY_DEFAULT
        process = tether.start([sys.executable, *program], log, environment={**os.environ, **told, **own})
        try:
            yield Running(process, port, log)
        finally:
            tether.end(process, _STOP_S)

    def produce(self, values: Sequence[bytes]) -> None:
        """Put the values on the raw topic as fast as it goes, spread evenly over the partitions."""
        producer = Producer(self.kafka.client_config() | {"linger.ms": 20, "compression.type": "lz4"})
        for number, value in enumerate(values):
            while True:
                try:
                    producer.produce(self.kafka.raw_topic, value, str(number).encode(), number % self.partitions)
                    break
                except BufferError:
                    producer.poll(0.05)
        if producer.flush(60):
            raise click.ClickException("the load could not be produced within 60 s")

    def published(self) -> int:
        """Events that can be read. What the broker lists will do as long as it grows, and where it is exact."""
        latest: Any = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        wanted = {self._place(partition): latest for partition in range(self.partitions)}
        found = self._admin.list_offsets(wanted)
        listed = {place.partition: int(end.result().offset) for place, end in found.items()}
        if self._lists_ends or listed != self._listed:
            self._listed = listed
            return sum(listed.values())
        return sum(self.ends().values())

    def ends(self) -> dict[int, int]:
        """Offset behind the last event of each partition, found by reading; that takes a while."""
        reader = Consumer(self.kafka.client_config() | {"group.id": "bench-ends"})
        places = [self._place(partition) for partition in range(self.partitions)]
        ends = {place.partition: reader.get_watermark_offsets(place, timeout=10)[1] for place in places}
        try:
            reader.assign(
                [TopicPartition(place.topic, place.partition, max(0, ends[place.partition] - 1)) for place in places]
            )
            for message in reader.consume(_MOST_IN_LAST_BATCHES, timeout=_END_WAIT_S):
                if message.error() is None:
                    partition, offset = cast("int", message.partition()), cast("int", message.offset())
                    ends[partition] = max(ends[partition], offset + 1)
        finally:
            reader.close()
        return ends

    def _place(self, partition: int) -> TopicPartition:
        return TopicPartition(self.kafka.emotion_topic, partition)

    def committed(self) -> int:
        """Raw records that the group has committed."""
        consumer = Consumer(self.kafka.client_config() | {"group.id": self.worker.app_id})
        places = [TopicPartition(self.kafka.raw_topic, partition) for partition in range(self.partitions)]
        try:
            return sum(max(0, place.offset) for place in consumer.committed(places, timeout=30))
        finally:
            consumer.close()

    def drain(self, program: Running, values: Sequence[bytes]) -> Drained:
        """Produce a backlog and measure while it shrinks, after a warm-up of its first 15 %.

        Raises:
            click.ClickException: it was done between two looks at it.
        """
        before = self.published()
        self.produce(values)
        marks: list[tuple[int, float, float, float]] = []

        def mark_at(least: int) -> bool:
            if (seen := self.published() - before) < least:
                return False
            times = self._broker.cpu_times()
            marks.append((seen, time.perf_counter(), program.cpu_s(), times.user + times.system))
            return True

        program.wait(lambda: mark_at(int(len(values) * _WARM_UP_SHARE)), "publishes nothing")
        program.wait(lambda: mark_at(len(values)), "does not publish all")
        first, last = marks
        tweets, seconds, cpu_s, broker_cpu_s = (b - a for a, b in zip(first, last, strict=True))
        if not tweets:
            raise click.ClickException(f"{len(values)} tweets are too few to measure; take more --tweets")
        return Drained(int(tweets), seconds, cpu_s, broker_cpu_s)

    def check(self, program: Running, tweets: int, *, counts: bool = True) -> None:
        """Wait until so many are committed and counted: a rate without that is none.

        Raises:
            click.ClickException: they do not become so many.
        """
        program.wait(lambda: self.committed() == tweets, f"commits other than {tweets}")
        if counts:
            program.wait(lambda: program.counted() == tweets, f"counts other than {tweets}")


def stand_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a click command ``--kafka-home`` and ``--partitions``."""
    partitions = click.IntRange(1)
    click.option("--partitions", type=partitions, default=4, show_default=True, help="of the raw topic")(command)
    return KAFKA_HOME(command)


@contextlib.contextmanager
def stands(kafka_home: Path | None) -> Iterator[Callable[[WorkerSettings, int], Stand]]:
    """A broker; gives a function from worker settings and a number of partitions to a stand on it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as made:
        folder = Path(made)
        at = folder / "broker"
        broker = EmbeddedBroker(at) if kafka_home is None else ApacheKafka(kafka_home.resolve(), at, heap_mb=1024)
        with broker:
            kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, security_protocol="PLAINTEXT")
            lists_ends = kafka_home is not None
            yield lambda worker, partitions: Stand(kafka, worker, folder, partitions, broker.pid, lists_ends=lists_ends)
