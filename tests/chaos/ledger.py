"""What stands on the topics at the end, read with a client of the test's own."""

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from confluent_kafka import OFFSET_END, Consumer, KafkaError, Message, TopicPartition

from tests.stream import PARTITIONS
from worker.settings import KafkaSettings

Place = tuple[int, int]
"""Partition and offset of a raw tweet."""
_SILENCE_S = 30.0
_NEXT_RECORD_S = 5.0
DEAD = "dead"


class Raw(NamedTuple):
    """One tweet as it was produced."""

    value: bytes | None
    timestamp_s: float


@dataclass(frozen=True, slots=True)
class Written:
    """One event or dead letter as it was found."""

    place: Place
    stands_in: int
    label: str
    """The emotion, or `DEAD`."""
    event_time_s: float
    confidence: float = 0.0
    abstained: bool = False
    value: bytes = b""


@dataclass(slots=True)
class Ledger:
    """Raw tweets by place, and what was written, in the order of each output partition."""

    raw: dict[Place, Raw] = field(default_factory=dict)
    events: list[Written] = field(default_factory=list)
    letters: list[Written] = field(default_factory=list)

    def by_place(self) -> dict[Place, list[Written]]:
        found: dict[Place, list[Written]] = defaultdict(list)
        for written in (*self.events, *self.letters):
            found[written.place].append(written)
        return found


def read_ledger(kafka: KafkaSettings) -> Ledger:
    """Everything on the raw, emotion and dead-letter topics."""
    ledger = Ledger()
    for message in read_all(kafka, kafka.raw_topic):
        place = message.partition() or 0, message.offset() or 0
        ledger.raw[place] = Raw(message.value(), message.timestamp()[1] / 1000)
    ledger.events = [_written(message) for message in read_all(kafka, kafka.emotion_topic)]
    ledger.letters = [_written(message) for message in read_all(kafka, kafka.dead_topic)]
    return ledger


def _written(message: Message) -> Written:
    written = message.value() or b""
    value: dict[str, Any] = orjson.loads(written)
    source = value["source"]
    return Written(
        (source["partition"], source["offset"]),
        message.partition() or 0,
        value.get("label", DEAD),
        datetime.fromisoformat(value["event_time"]).timestamp(),
        value.get("confidence", 0.0),
        value.get("abstained", False),
        written,
    )


@contextlib.contextmanager
def next_record(kafka: KafkaSettings, topic: str) -> Iterator[None]:
    """Begin as soon as the next record of a topic can be read, or after some seconds without one."""
    reader = Consumer(kafka.client_config() | {"group.id": "next-record"})
    reader.assign([TopicPartition(topic, partition, OFFSET_END) for partition in range(PARTITIONS)])
    reader.poll(_NEXT_RECORD_S)
    try:
        yield
    finally:
        reader.close()


def read_all(kafka: KafkaSettings, topic: str) -> list[Message]:
    """All records of a topic; each partition in its order."""
    consumer = Consumer(
        kafka.client_config() | {"group.id": "ledger", "auto.offset.reset": "earliest", "enable.partition.eof": True}
    )
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
    found: list[Message] = []
    unread, heard_at = set(range(PARTITIONS)), time.monotonic()
    try:
        while unread:
            for message in consumer.consume(1000, 0.5):
                heard_at = time.monotonic()
                error = message.error()
                if error is None:
                    found.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    unread.discard(message.partition() or 0)
            assert time.monotonic() - heard_at < _SILENCE_S, f"cannot read {topic} to its end"
    finally:
        consumer.close()
    return found
