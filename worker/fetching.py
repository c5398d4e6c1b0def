"""Mends of the thread in which Faust's consumer fetches; `worker.consumer` mends the side that the app sees."""

import time
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.threads import WorkerThread

from worker.headers import read_any_header

if TYPE_CHECKING:
    from worker.app import EmotionApp
    from worker.consumer import ExactConsumer

T = TypeVar("T")

_END_TIMEOUT_S = 15.0
_ENDED_WITHIN_S = 2.0
_FETCH_MIN_BYTES = 65_536
_FETCH_MAX_WAIT_MS = 10
"""The broker answers a fetch once it has so many bytes or this time is over: a fetch for each tweet costs both ends."""


class ReadOffsets(defaultdict[TP, int | None]):
    """How far Faust has read each partition, but None for source partitions: `Progress` knows what comes next there."""

    def __init__(self, raw_topic_name: str) -> None:
        super().__init__(lambda: None)
        self._raw_topic_name = raw_topic_name

    def __getitem__(self, tp: TP) -> int | None:
        return None if tp.topic == self._raw_topic_name else super().__getitem__(tp)


class _Thread(WorkerThread):
    """A thread that nobody waits for for ever: its client may be waiting for brokers that say nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.daemon = True

    def stop(self) -> None:
        """As mode's, which blocks the event loop until the thread has ended; bounded."""
        self.is_stopped.wait(_ENDED_WITHIN_S)


class ExactThread(driver.AIOKafkaConsumerThread):
    """Notes heartbeats and holes, and finds the end of a changelog by reading its last record.

    The end offset that a broker lists can lie beyond the last record that a reader ever gets (compaction, transaction
    markers), and recovery would wait for it for ever.
    """

    Worker = _Thread

    async def on_start(self) -> None:
        """Start the client, and note when the group answers its heartbeats."""
        read_any_header()
        await super().on_start()
        cast("ExactConsumer", self.consumer).membership.listen_to(self._ensure_consumer()._coordinator)  # noqa: SLF001 - aiokafka has no other way

    # Faust waits up to 1.5 s for a first byte, and a partition that is resumed or read empty meanwhile waits as long.
    # It reads what transactions aborted unless it writes in transactions itself: a tweet sent again would count twice.
    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - Faust has no setting for it
        consumer._fetch_min_bytes = _FETCH_MIN_BYTES  # noqa: SLF001 - Faust has no setting for it
        consumer._fetch_max_wait_ms = _FETCH_MAX_WAIT_MS  # noqa: SLF001 - Faust sets the option and lets nobody else
        return consumer

    async def _fetch_records(
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - Faust's signature
        max_records: int | None = None,
    ) -> Any:
        """As Faust's, and note the holes here, where the fetcher moves on: Faust may yet drop what it is given."""
        raw_topic, holes = cast("EmotionApp", self.app).raw_topic_name, cast("ExactConsumer", self.consumer).holes
        seeks = holes.seeks
        records = await super()._fetch_records(consumer, active_partitions, timeout=timeout, max_records=max_records)
        holes.note(_of_topic(raw_topic, records), _of_topic(raw_topic, _positions(consumer)), since=seeks)
        return records

    async def _highwaters(self, partitions: list[TP]) -> Mapping[TP, int]:
        """Where a reader of each partition comes to an end."""
        wanted = [TopicPartition(tp.topic, tp.partition) for tp in partitions]
        if not wanted:
            return {}
        app = cast("EmotionApp", self.app)
        reader = AIOKafkaConsumer(**app.aiokafka_config)
        await reader.start()
        try:
            return await _ends(reader, wanted)
        finally:
            await reader.stop()


def _of_topic(topic: str, found: Mapping[TopicPartition, T]) -> dict[TP, T]:
    return {TP(place.topic, place.partition): value for place, value in found.items() if place.topic == topic}


def _positions(consumer: AIOKafkaConsumer) -> dict[TopicPartition, int]:
    """Where the fetcher stands in each partition whose position is known; it may be behind offsets without a record.

    The client's own `position` would wait for a position that is not known.
    """
    subscription = consumer._subscription.subscription  # noqa: SLF001 - aiokafka has no other way that does not wait
    if subscription is None or subscription.assignment is None:
        return {}
    states = ((tp, subscription.assignment.state_value(tp)) for tp in subscription.assignment.tps)
    return {tp: state.position for tp, state in states if state is not None and state.has_valid_position}


async def _ends(reader: AIOKafkaConsumer, wanted: list[TopicPartition]) -> dict[TP, int]:
    """Read what stands last in each partition; the end that is listed where nothing comes in time."""
    listed = await reader.end_offsets(wanted)
    reader.assign(wanted)
    for tp in wanted:
        reader.seek(tp, max(listed[tp] - 1, 0))
    unread = {tp for tp in wanted if listed[tp] > 0}
    deadline = time.monotonic() + _END_TIMEOUT_S
    while unread and time.monotonic() < deadline:
        await reader.getmany(timeout_ms=100)
        unread = {tp for tp in unread if not reader.highwater(tp)}
    return {TP(tp.topic, tp.partition): (reader.highwater(tp) or listed[tp]) if listed[tp] else 0 for tp in wanted}
