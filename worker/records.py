"""What the middle of the worker works on: raw records in, one outcome for each out."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from schemas.dead_letter import Reason
from schemas.source import Source


class RawRecord(NamedTuple):
    """One Kafka record of the raw topic, its bytes untouched."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp_s: float

    @classmethod
    def of(cls, record: Any) -> "RawRecord":
        """From aiokafka's ``ConsumerRecord``."""
        moment_s = 0.0 if record.timestamp is None else record.timestamp / 1000
        place = record.topic, record.partition, record.offset
        return cls(*place, record.key, record.value, tuple(record.headers), moment_s)

    def source(self, topic_id: str | None) -> Source:
        """Its identity."""
        return Source(topic=self.topic, partition=self.partition, offset=self.offset, topic_id=topic_id)


class Counted(NamedTuple):
    """The part of an outcome that the table counts; also what is remembered of outcomes published before."""

    event_time_s: float
    label: int | None
    """Index into ``EMOTIONS``; None for a dead letter."""
    confidence: float = 0.0
    abstained: bool = False


class Outcome(NamedTuple):
    """What became of one raw record: an event or a dead letter, ready to publish and to count."""

    partition: int
    offset: int
    counted: Counted
    key: bytes | None
    value: bytes | None
    """The encoded event or letter; None where it stands in its topic already."""
    reason: Reason | None = None
    """Why it is a dead letter, where it was decided just now."""


def utc(seconds: float) -> datetime:
    """Seconds since the epoch as an aware datetime."""
    return datetime.fromtimestamp(seconds, UTC)
