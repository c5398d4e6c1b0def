"""What already stands on the output topics, so that a restarted worker does not publish it again."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, Message, TopicPartition

from schemas.emotions import EMOTIONS
from worker.errors import BrokerUnreachable, TopicsUnfit
from worker.records import Counted
from worker.settings import KafkaSettings

_FIRST_STEP_BACK = 512
_TIMEOUT_S = 30.0


class PublishedTail:
    """Reads the ends of the emotion and dead-letter partitions.

    Events of a source partition stand in the partition of the same number, in the order of their offsets, so the end
    of a partition tells what has been published from a given source offset on.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka

    def read(self, starts: dict[int, int]) -> dict[tuple[int, int], Counted]:
        """Outcomes published at or after ``starts`` (partition -> source offset). Blocks.

        Raises:
            TopicsUnfit: a start lies beyond the end of the raw topic, which was then made anew.
            BrokerUnreachable: the brokers did not answer in time.
        """
        consumer = Consumer(
            {
                **self._kafka.client_config(),
                "group.id": "published-tail",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
            }
        )
        found: dict[tuple[int, int], Counted] = {}
        try:
            for partition, start in starts.items():
                self._check_start(consumer, partition, start)
                for topic in (self._kafka.emotion_topic, self._kafka.dead_topic):
                    for offset, counted in self._tail(consumer, topic, partition, start):
                        found[partition, offset] = counted
        finally:
            consumer.close()
        return found

    def _check_start(self, consumer: Consumer, partition: int, start: int) -> None:
        """The last counted record must stand on the raw topic, be older than all that is kept, or be its very end."""
        raw = self._kafka.raw_topic
        _, end = _watermarks(consumer, raw, partition)
        if start > end and not self._has_record(consumer, TopicPartition(raw, partition, start - 1)):
            raise TopicsUnfit(
                f"offset {start - 1} of {raw}[{partition}] is counted, but it ends at {end}: "
                "the topic was made anew. Start with another --app-id"
            )

    def _has_record(self, consumer: Consumer, place: TopicPartition) -> bool:
        """Whether a record can be read there: some brokers list an end that lies before the last records."""
        consumer.assign([place])
        found = consumer.consume(1, _TIMEOUT_S)
        return bool(found) and found[0].error() is None and found[0].offset() == place.offset

    def _tail(self, consumer: Consumer, topic: str, partition: int, start: int) -> Iterator[tuple[int, Counted]]:
        low, high = _watermarks(consumer, topic, partition)
        step = _FIRST_STEP_BACK
        while low < high:
            first = max(low, high - step)
            outcomes = list(self._from(consumer, topic, partition, first))
            if first == low or (outcomes and outcomes[0][0] < start):
                yield from ((offset, counted) for offset, counted in outcomes if offset >= start)
                return
            step *= 8

    def _from(self, consumer: Consumer, topic: str, partition: int, first: int) -> Iterator[tuple[int, Counted]]:
        consumer.assign([TopicPartition(topic, partition, first)])
        deadline = time.monotonic() + _TIMEOUT_S
        while True:
            for message in consumer.consume(1000, 1.0):
                error = message.error()
                if error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the documented name
                    return
                if error is None:
                    deadline = time.monotonic() + _TIMEOUT_S
                    yield from self._read(message)
            if time.monotonic() > deadline:
                raise BrokerUnreachable(f"cannot read the end of {topic}[{partition}] within {_TIMEOUT_S:.0f} s")

    def _read(self, message: Message) -> Iterator[tuple[int, Counted]]:
        try:
            value = orjson.loads(message.value() or b"")
            source = value["source"]
            if source["topic"] == self._kafka.raw_topic and source["partition"] == message.partition():
                yield int(source["offset"]), _counted(value)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            return  # a foreign record on our topic says nothing of what we published


def _counted(value: dict[str, Any]) -> Counted:
    moment_s = datetime.fromisoformat(value["event_time"]).timestamp()
    if "label" not in value:
        return Counted(moment_s, None)
    return Counted(moment_s, EMOTIONS.index(value["label"]), float(value["confidence"]), bool(value["abstained"]))


def _watermarks(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_TIMEOUT_S)
    return (0 if low == OFFSET_INVALID else low), high
