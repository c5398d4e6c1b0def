"""A group-less reader of the table's changelog, which lets every worker answer for all partitions."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar, cast

import orjson
import structlog
from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from worker.counts import Row, RowKey
from worker.settings import KafkaSettings
from worker.view import CountsView, Look

log = structlog.get_logger("worker.follower")

T = TypeVar("T")

_POLL_S = 0.1
_FETCH_MIN_BYTES = 100_000
_FETCH_MAX_WAIT_MS = 100
"""Counts may come so late: every batch writes rows, and a fetch for each costs the broker as much as the batch."""
_ENDS_INTERVAL_S = 1.0
_ENDS_TIMEOUT_S = 5.0
_LOOK_TIMEOUT_S = 1.0


class Follower:
    """Keeps a view up to date.

    Args:
        kafka: the brokers and the raw topic.
        changelog_topic: of the table; it has the partitions of the raw topic.
        partitions: how many these are.
        view: learns what stands in the changelog, and where the raw topic ends.
    """

    def __init__(self, kafka: KafkaSettings, changelog_topic: str, partitions: int, view: CountsView) -> None:
        self._kafka, self._changelog_topic, self._partitions, self._view = kafka, changelog_topic, partitions, view
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="follower")
        self._stopping = False

    async def run(self) -> None:
        """Follow until `stop`. A broker that is away is waited for; the answers grow old meanwhile and say so."""
        consumer, admin = await self._off_the_loop(self._open)
        ends_due = 0.0
        try:
            while not self._stopping:
                for message in await self._off_the_loop(partial(consumer.consume, 1000, _POLL_S)):
                    self._take(message)
                if time.monotonic() >= ends_due:
                    self._view.note_ends(await self._off_the_loop(partial(self._ask_for_ends, admin)))
                    self._view.expire()
                    for number, (following, end) in self._view.unexplained().items():
                        look = await self._off_the_loop(partial(self._look_for_records, number, following, end))
                        if look is not None:
                            self._view.note_look(number, look)
                    ends_due = time.monotonic() + _ENDS_INTERVAL_S
        finally:
            await self._off_the_loop(consumer.close)
            self._thread.shutdown(wait=False)

    async def _off_the_loop(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def stop(self) -> None:
        """End `run` after its current poll."""
        self._stopping = True

    def _open(self) -> tuple[Consumer, AdminClient]:
        gathering = {"fetch.wait.max.ms": _FETCH_MAX_WAIT_MS, "fetch.min.bytes": _FETCH_MIN_BYTES}
        consumer = Consumer(self._kafka.reader_config() | gathering)
        consumer.assign([TopicPartition(self._changelog_topic, number, 0) for number in range(self._partitions)])
        return consumer, AdminClient(self._kafka.client_config())

    def _take(self, message: Message) -> None:
        number = cast("int", message.partition())
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the documented name
                self._view.read_to_its_end(number)
            elif error.code() != KafkaError.GROUP_AUTHORIZATION_FAILED:  # of a group that nobody joins
                log.warning("changelog cannot be read", partition=number, reason=error.str())
            return
        value = message.value()
        try:
            source, (start, end) = orjson.loads(message.key() or b"")
            key: RowKey = (source, (start, end))
            row: Row | None = None if value is None else orjson.loads(value)
        except (orjson.JSONDecodeError, TypeError, ValueError):
            log.warning("foreign record in the changelog", partition=number, offset=message.offset())
            return
        self._view.apply(key, row)

    def _ask_for_ends(self, admin: AdminClient) -> dict[int, int]:
        """End offset of each raw partition that the brokers tell, up to open transactions.

        All are asked for at once, on a connection of its own: beside a fetch each question waits until that ends.
        """
        latest: Any = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        wanted = {TopicPartition(self._kafka.raw_topic, number): latest for number in range(self._partitions)}
        level = IsolationLevel.READ_COMMITTED
        asked = admin.list_offsets(wanted, isolation_level=level, request_timeout=_ENDS_TIMEOUT_S)
        known: dict[int, int] = {}
        unknown: dict[int, str] = {}
        for place, answer in asked.items():
            try:
                known[place.partition] = answer.result().offset
            except KafkaException as error:
                unknown[place.partition] = error.args[0].str()
        if unknown:
            log.warning("ends of partitions unknown", partitions=sorted(unknown), reasons=sorted({*unknown.values()}))
        return known

    def _look_for_records(self, number: int, following: int, end: int) -> Look | None:
        """Whether any record stands between what was counted and the end of a partition; None: nothing came in time."""
        reader = Consumer(self._kafka.reader_config())
        try:
            reader.assign([TopicPartition(self._kafka.raw_topic, number, following)])
            for message in reader.consume(1, _LOOK_TIMEOUT_S):
                error = message.error()
                if error is None:
                    return Look(following, None)
                if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the documented name
                    return Look(following, end)
        finally:
            reader.close()
        return None
