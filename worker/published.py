"""What already stands on the output topics, so that a restarted worker does not publish it again."""

import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple, cast

import orjson
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.emotions import EMOTIONS
from worker.errors import BrokerUnreachable
from worker.preflight import raw_topic_id
from worker.records import Counted
from worker.settings import KafkaSettings
from worker.topics import made_anew

_FIRST_STEP_BACK = 512
_TIMEOUT_S = 30.0
_POLL_S = 0.05
_PAUSE_S = 0.2

_Place = tuple[str, int]
"""Topic and partition."""


class Published(NamedTuple):
    """What a worker must know of the topics before it goes on.

    Attributes:
        topic_id: of the raw topic, where the broker tells it.
        outcomes: (partition, source offset) -> what stands on the output topics.
    """

    topic_id: str | None
    outcomes: dict[tuple[int, int], Counted]


class _Seen(NamedTuple):
    offset: int
    counted: Counted
    topic_id: str | None


class PublishedTail:
    """Reads the ends of the emotion and dead-letter partitions.

    Events of a source partition stand in the partition of the same number, in the order of their offsets, so the end
    of a partition tells what has been published from a given source offset on.

    Args:
        kafka: where.
        moved: take a raw topic with another id than before for the same (see `WorkerSettings.raw_topic_moved`).
    """

    def __init__(self, kafka: KafkaSettings, *, moved: bool = False) -> None:
        self._kafka, self._moved = kafka, moved

    def read(self, starts: dict[int, int], counted: Mapping[int, str | None]) -> Published:
        """Outcomes published at or after ``starts`` (partition -> source offset). Blocks.

        ``counted``: for each partition the id of the topic whose tweets were counted, where it is known.

        Raises:
            TopicsUnfit: the raw topic was made anew (ADR 13): a start lies beyond its end, or what was counted or last
                published of a partition is of a topic with another id.
            BrokerUnreachable: the brokers did not answer in time.
        """
        topic_id = raw_topic_id(self._kafka)
        for partition in starts:
            self._check_id(topic_id, counted.get(partition), partition, "counted")
        # What stands in an open transaction is there, too: a raw topic that ends with one was not made anew.
        all_there_is = {"isolation.level": "read_uncommitted", "fetch.wait.max.ms": 50}
        consumer = Consumer(self._kafka.reader_config() | all_there_is)
        try:
            for partition, start in starts.items():
                self._check_start(consumer, partition, start)
            tails = self._tails(consumer, starts)
        finally:
            consumer.close()
        for partition, seen in tails.items():
            newest = max(seen, key=lambda one: one.offset)
            self._check_id(topic_id, newest.topic_id, partition, "published")
        kept = (
            (partition, one) for partition, seen in tails.items() for one in seen if one.offset >= starts[partition]
        )
        return Published(topic_id, {(partition, one.offset): one.counted for partition, one in kept})

    def _check_id(self, is_now: str | None, was: str | None, partition: int, what: str) -> None:
        if None not in {is_now, was} and is_now != was and not self._moved:
            evidence = f"has the id {is_now}, but what was {what} of partition {partition} is of {was}"
            raise made_anew(self._kafka, f"{self._kafka.raw_topic} {evidence}")

    def _check_start(self, consumer: Consumer, partition: int, start: int) -> None:
        """The last counted record must stand on the raw topic, be older than all that is kept, or be its very end."""
        raw = self._kafka.raw_topic
        _, end = _watermarks(consumer, raw, partition)
        if start > end and not self._has_record(consumer, TopicPartition(raw, partition, start - 1)):
            raise made_anew(self._kafka, f"offset {start - 1} of {raw}[{partition}] is counted, but it ends at {end}")

    def _has_record(self, consumer: Consumer, place: TopicPartition) -> bool:
        """Whether a record can be read there: some brokers list an end that lies before the last records."""
        consumer.assign([place])
        found = consumer.consume(1, _TIMEOUT_S)
        return bool(found) and found[0].error() is None and found[0].offset() == place.offset

    def _tails(self, consumer: Consumer, starts: dict[int, int]) -> dict[int, list[_Seen]]:
        """Read all ends at once; those that do not reach back to their start are read again from further back.

        Returns for each source partition of which something stands there what was read of it, in no order.
        """
        found: dict[_Place, list[_Seen]] = {}
        topics = (self._kafka.emotion_topic, self._kafka.dead_topic)
        unread = {(topic, partition) for topic in topics for partition in starts}
        step = _FIRST_STEP_BACK
        while unread:
            ends = {place: _watermarks(consumer, *place) for place in unread}
            firsts = {place: max(low, high - step) for place, (low, high) in ends.items() if low < high}
            outcomes = self._read_from(consumer, firsts)
            for place, seen in outcomes.items():
                found[place] = seen
                reaches_back = firsts[place] == ends[place][0]
                if reaches_back or (seen and seen[0].offset < starts[place[1]]):
                    unread.discard(place)
            unread &= set(firsts)
            step *= 8
        of_partition: dict[int, list[_Seen]] = {}
        for (_, partition), seen in found.items():
            if seen:
                of_partition.setdefault(partition, []).extend(seen)
        return of_partition

    def _read_from(self, consumer: Consumer, firsts: dict[_Place, int]) -> dict[_Place, list[_Seen]]:
        """What stands from ``firsts`` on up to the end, each in the order of its partition."""
        outcomes: dict[_Place, list[_Seen]] = {place: [] for place in firsts}
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

    def _read(self, message: Message) -> Iterator[_Seen]:
        try:
            value = orjson.loads(message.value() or b"")
            source = value["source"]
            if source["topic"] == self._kafka.raw_topic and source["partition"] == message.partition():
                yield _Seen(int(source["offset"]), _counted(value), source.get("topic_id"))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            return  # a foreign record on our topic says nothing of what we published


def _counted(value: dict[str, Any]) -> Counted:
    moment_s = datetime.fromisoformat(value["event_time"]).timestamp()
    if "label" not in value:
        return Counted(moment_s, None)
    return Counted(moment_s, EMOTIONS.index(value["label"]), float(value["confidence"]), bool(value["abstained"]))


def _watermarks(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    """First offset and the one after the last; a partition whose leader moves is asked again."""
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_TIMEOUT_S)
        except KafkaException as error:
            if time.monotonic() > deadline:
                reason = error.args[0].str()
                raise BrokerUnreachable(f"the ends of {topic}[{partition}] are not to be had ({reason})") from error
            time.sleep(_PAUSE_S)
        else:
            return (0 if low == OFFSET_INVALID else low), high
