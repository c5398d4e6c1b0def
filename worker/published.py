"""What already stands on the output topics, so that a restarted worker does not publish it again."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any, cast

import orjson
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, Message, TopicPartition

from schemas.emotions import EMOTIONS
from worker.errors import BrokerUnreachable, TopicsUnfit
from worker.records import Counted
from worker.settings import KafkaSettings

_FIRST_STEP_BACK = 512
_TIMEOUT_S = 30.0
_POLL_S = 0.05

_Place = tuple[str, int]
"""Topic and partition."""


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
        # What stands in an open transaction is there, too: a raw topic that ends with one was not made anew.
        all_there_is = {"isolation.level": "read_uncommitted", "fetch.wait.max.ms": 50}
        consumer = Consumer(self._kafka.reader_config() | all_there_is)
        try:
            for partition, start in starts.items():
                self._check_start(consumer, partition, start)
            return self._tails(consumer, starts)
        finally:
            consumer.close()

    def _check_start(self, consumer: Consumer, partition: int, start: int) -> None:
        """The last counted record must stand on the raw topic, be older than all that is kept, or be its very end."""
        raw = self._kafka.raw_topic
        _, end = _watermarks(consumer, raw, partition)
        if start > end and not self._has_record(consumer, TopicPartition(raw, partition, start - 1)):
            raise TopicsUnfit(
                f"offset {start - 1} of {raw}[{partition}] is counted, but it ends at {end}: "
                f"the topic was made anew. Make {self._kafka.emotion_topic} and {self._kafka.dead_topic} anew too or "
                "name others, since their events name the old offsets, and start with another --app-id"
            )

    def _has_record(self, consumer: Consumer, place: TopicPartition) -> bool:
        """Whether a record can be read there: some brokers list an end that lies before the last records."""
        consumer.assign([place])
        found = consumer.consume(1, _TIMEOUT_S)
        return bool(found) and found[0].error() is None and found[0].offset() == place.offset

    def _tails(self, consumer: Consumer, starts: dict[int, int]) -> dict[tuple[int, int], Counted]:
        """Read all ends at once; those that do not reach back to their start are read again from further back."""
        found: dict[tuple[int, int], Counted] = {}
        topics = (self._kafka.emotion_topic, self._kafka.dead_topic)
        unread = {(topic, partition) for topic in topics for partition in starts}
        step = _FIRST_STEP_BACK
        while unread:
            ends = {place: _watermarks(consumer, *place) for place in unread}
            firsts = {place: max(low, high - step) for place, (low, high) in ends.items() if low < high}
            outcomes = self._read_from(consumer, firsts)
            for (topic, partition), seen in outcomes.items():
                found |= {(partition, offset): counted for offset, counted in seen if offset >= starts[partition]}
                reaches_back = firsts[topic, partition] == ends[topic, partition][0]
                if reaches_back or (seen and seen[0][0] < starts[partition]):
                    unread.discard((topic, partition))
            unread &= set(firsts)
            step *= 8
        return found

    def _read_from(self, consumer: Consumer, firsts: dict[_Place, int]) -> dict[_Place, list[tuple[int, Counted]]]:
        """What stands from ``firsts`` on up to the end, each in the order of its partition."""
        outcomes: dict[_Place, list[tuple[int, Counted]]] = {place: [] for place in firsts}
        consumer.assign([TopicPartition(topic, partition, first) for (topic, partition), first in firsts.items()])
        unread, deadline = set(firsts), time.monotonic() + _TIMEOUT_S
        while unread:
            for message in consumer.consume(1000, _POLL_S):
                place = (cast("str", message.topic()), cast("int", message.partition()))
                error = message.error()
                if error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the documented name
                    unread.discard(place)
                elif error is None:
                    deadline = time.monotonic() + _TIMEOUT_S
                    outcomes[place] += self._read(message)
            if time.monotonic() > deadline:
                raise BrokerUnreachable(f"cannot read the ends of {sorted(unread)} within {_TIMEOUT_S:.0f} s")
        return outcomes

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
