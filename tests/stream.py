"""A stream under test: topics, a worker process that can be killed, and readers of their own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from worker.brokers import free_port
from worker.settings import KafkaSettings, WorkerSettings

T = TypeVar("T")
PARTITIONS = 4
START_BOUND_S = 60.0
_MOST_QUEUED = 50_000
"""Records in a producer's own queue; it refuses more than 100,000."""


class Stream:
    """Produces, runs the worker as a process, reads what it wrote with a client of its own."""

    def __init__(self, kafka: KafkaSettings, worker: WorkerSettings, log: Path) -> None:
        self.kafka, self.worker, self.log = kafka, worker, log
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.command: tuple[str, ...] = ("worker", "run")
        """The module that is run, and its arguments."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def environment(self, **more: str) -> dict[str, str]:
        kafka = {
            f"KAFKA_{name.upper()}": str(value) for name, value in self.kafka.model_dump(exclude_unset=True).items()
        }
        worker = {
            f"WORKER_{name.upper()}": str(value) for name, value in self.worker.model_dump(exclude_unset=True).items()
        }
        return {**os.environ, **kafka, **worker, "WORKER_HTTP_PORT": str(self.port), **more}

    def start(self, *options: str, **environment: str) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self.command, *options],
                stderr=log,
                stdout=log,
                env=self.environment(**environment),
            )

    def kill(self) -> None:
        """As a crash: SIGKILL."""
        self._end(signal.SIGKILL)

    def terminate(self, within_s: float = 30.0) -> int:
        """As an orderly stop: SIGTERM; returns the exit code."""
        return self._end(signal.SIGTERM, within_s)

    def ended(self, within_s: float = START_BOUND_S) -> int:
        """Wait for the end of a worker that ends by itself; returns the exit code."""
        assert self.process is not None
        return self.process.wait(within_s)

    def _end(self, number: signal.Signals, within_s: float = 30.0) -> int:
        if self.process is None:
            return 0
        process, self.process = self.process, None
        process.send_signal(number)
        try:
            return process.wait(within_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def produce(self, values: Sequence[bytes | None], *, compression: str = "none", at_s: float | None = None) -> None:
        """``at_s``: seconds since the epoch that the records say they are of; by default now."""
        producer = ordered_producer(self.kafka, compression)
        failures: list[object] = []
        for number, value in enumerate(values):
            if len(producer) > _MOST_QUEUED:
                producer.flush(30)
            producer.produce(
                self.kafka.raw_topic,
                value,
                str(number).encode(),
                number % PARTITIONS,
                timestamp=0 if at_s is None else int(at_s * 1000),
                on_delivery=lambda error, _: failures.append(error) if error else None,
            )
            producer.poll(0)
        assert producer.flush(30) == 0
        assert not failures

    def page(self, path: str) -> str:
        """What the worker answers, as text."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    def get(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.page(path))
        return found

    def counts(self, window: str = "1h") -> dict[str, Any]:
        try:
            return self.get(f"/counts?window={window}")
        except OSError:
            return {"total": 0, "dead": 0}

    def wait_until_counted(self, tweets: int, bound_s: float = 90.0) -> dict[str, Any]:
        """Wait until so many tweets are labelled or dead in the counts; returns the answer."""

        def counted() -> dict[str, Any] | None:
            answer = self.counts()
            return answer if answer["total"] + answer["dead"] >= tweets else None

        return wait_for(counted, bound_s, lambda: f"{self.counts()}\n{self.log.read_text()[-3000:]}")

    def read(self, topic: str) -> list[dict[str, Any]]:
        """All values of a topic, in the order of each partition."""
        return [json.loads(value) for value in read_values(self.kafka, topic)]

    def check_exact(self, tweets: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Every raw record is an event or a dead letter exactly once, and the counts equal the events."""
        answer = self.wait_until_counted(tweets)
        events, letters = self.read(self.kafka.emotion_topic), self.read(self.kafka.dead_topic)
        outcomes = Counter(outcome["id"] for outcome in (*events, *letters))
        assert len(outcomes) == tweets, f"lost {tweets - len(outcomes)}"
        assert outcomes.total() == tweets, f"repeated {[i for i, n in outcomes.items() if n > 1][:5]}"
        labels = Counter(event["label"] for event in events)
        assert answer["counts"] == {label: labels[label] for label in answer["counts"]}
        assert answer["dead"] == len(letters)
        return events, letters


def tweets(count: int) -> list[bytes]:
    moods = ("so happy", "what a sad day", "I am angry", "love this", "not afraid")
    return [json.dumps({"id": str(i), "text": f"{moods[i % 5]} {i}"}).encode() for i in range(count)]


def set_largest(kafka: KafkaSettings, topic: str, size_bytes: int) -> None:
    """How large a record the topic takes."""
    entry = ConfigEntry("max.message.bytes", str(size_bytes), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient(kafka.client_config())
    admin.incremental_alter_configs([resource])[resource].result(30)


def ordered_producer(kafka: KafkaSettings, compression: str = "none") -> Producer:
    """A producer whose records keep their order when a request has to be repeated, so that offsets can be foretold."""
    return Producer(
        kafka.client_config() | {"enable.idempotence": True, "linger.ms": 5, "compression.type": compression}
    )


def read_values(kafka: KafkaSettings, topic: str) -> Iterable[bytes]:
    consumer = Consumer(
        kafka.client_config() | {"group.id": "test", "auto.offset.reset": "earliest", "enable.partition.eof": True}
    )
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
    unread, deadline = PARTITIONS, time.monotonic() + 30
    try:
        while unread:
            assert time.monotonic() < deadline, f"cannot read {topic} to its end"
            message = consumer.poll(1.0)
            if message is None:
                continue
            if message.error():
                unread -= 1
            else:
                yield message.value() or b""
    finally:
        consumer.close()


def committed(stream: Stream) -> list[int]:
    """For each raw partition the offset that the worker's group goes on from."""
    consumer = Consumer(stream.kafka.client_config() | {"group.id": stream.worker.app_id})
    places = [TopicPartition(stream.kafka.raw_topic, partition) for partition in range(PARTITIONS)]
    try:
        return [place.offset for place in consumer.committed(places, timeout=30)]
    finally:
        consumer.close()


def wait_for(
    condition: Callable[[], T | None], bound_s: float, explain: Callable[[], str] = str, *, every_s: float = 0.1
) -> T:
    """Look until ``condition`` gives something; fails with an explanation after ``bound_s``."""
    deadline = time.monotonic() + bound_s
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if found := condition():
                return found
        time.sleep(every_s)
    raise AssertionError(f"not within {bound_s} s: {explain()}")
