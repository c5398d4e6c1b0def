"""The counts of all partitions, whoever owns them: a group-less reader of the table's changelog."""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar, cast

import orjson
import structlog
from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from schemas.counts import PartitionProgress, WindowCounts
from schemas.emotions import EMOTIONS
from worker.counts import Horizon, Row, RowKey, bucket_of, is_newer, sum_window
from worker.labelling import FUTURE_TOLERANCE_S
from worker.records import utc
from worker.settings import KafkaSettings, WorkerSettings
from worker.waiting import Waiting

log = structlog.get_logger("worker.follower")

T = TypeVar("T")

_POLL_S = 0.1
_FETCH_MIN_BYTES = 100_000
_FETCH_MAX_WAIT_MS = 100
"""Counts may come so late: every batch writes rows, and a fetch for each costs the broker as much as the batch."""
_ENDS_INTERVAL_S = 1.0
_ENDS_TIMEOUT_S = 5.0
_LOOK_AFTER_S, _LOOK_TIMEOUT_S = 2.0, 1.0
"""A partition that lags for so long may have nothing to count: transaction markers take offsets, too."""


class Look(NamedTuple):
    """What a look at the raw topic from ``offset`` on found: no record up to the end ``empty_to``, or one (None)."""

    offset: int
    empty_to: int | None


class Follower:
    """Rows of every partition as their owners wrote them, and how far each partition lags.

    Args:
        partitions: how many partitions the raw topic and the changelog have.
        clock: seconds since the epoch; the end of a window that is asked for without a moment.
        steady: seconds of a clock that is never set; tells how long records wait.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        worker: WorkerSettings,
        partitions: int,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kafka, self._worker, self._partitions = kafka, worker, partitions
        self._rows: dict[RowKey, Row] = {}
        self._following: dict[int, int] = {}
        """Partition -> the offset after the last one counted."""
        self._ends: dict[int, int] = {}
        self._clock, self._steady = clock, steady
        self._horizon = Horizon(worker.retention_s + 2 * worker.bucket_s, clock)
        self._waiting = [Waiting(steady()) for _ in range(partitions)]
        self._looked: dict[int, Look] = {}
        """Partition -> the last look at what stands behind its last counted record."""
        self._unread = set(range(partitions))
        """Partitions of the changelog whose end has not been reached yet."""
        self.overtaken: set[RowKey] = set()
        """Rows behind which an older one stands in the changelog: compaction would keep that one."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="follower")
        self._stopping = False

    @property
    def caught_up(self) -> bool:
        """Whether the end of every changelog partition has been reached once."""
        return not self._unread

    @property
    def ends(self) -> dict[int, int]:
        """Partition -> end offset of the raw topic, as last seen."""
        return self._ends

    async def run(self) -> None:
        """Follow until `stop`. A broker that is away is waited for; the answers grow old meanwhile and say so."""
        consumer, admin = await self._off_the_loop(self._open)
        ends_due = 0.0
        try:
            while not self._stopping:
                for message in await self._off_the_loop(partial(consumer.consume, 1000, _POLL_S)):
                    self._apply(message)
                if time.monotonic() >= ends_due:
                    self._note_ends(await self._off_the_loop(partial(self._ask_for_ends, admin)))
                    self._expire()
                    for progress in self.progress():
                        if progress.late_s > _LOOK_AFTER_S:
                            await self._off_the_loop(partial(self._look_for_records, progress))
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
        topic = self._worker.changelog_topic
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(self._partitions)])
        return consumer, AdminClient(self._kafka.client_config())

    def _apply(self, message: Message) -> None:
        partition = cast("int", message.partition())
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the documented name
                self._unread.discard(partition)
            elif error.code() != KafkaError.GROUP_AUTHORIZATION_FAILED:  # of a group that nobody joins
                log.warning("changelog cannot be read", partition=partition, reason=error.str())
            return
        value = message.value()
        try:
            number, (start, end) = orjson.loads(message.key() or b"")
            key: RowKey = (number, (start, end))
            row: Row | None = None if value is None else orjson.loads(value)
        except (orjson.JSONDecodeError, TypeError, ValueError):
            log.warning("foreign record in the changelog", partition=partition, offset=message.offset())
            return
        if row is None:
            self._rows.pop(key, None)
            self.overtaken.discard(key)
        elif not is_newer(row, self._rows.get(key)):
            self.overtaken.add(key)
        else:
            self._rows[key] = row
            self.overtaken.discard(key)
            self._following[number] = max(self._following.get(number, 0), row["done"] + 1)
            self._horizon.note(key)

    def _ask_for_ends(self, admin: AdminClient) -> dict[int, int]:
        """End offset of each raw partition that the brokers tell, up to open transactions.

        All are asked for at once, on a connection of its own: beside a fetch each question waits until that ends.
        """
        latest: Any = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        wanted = {TopicPartition(self._kafka.raw_topic, partition): latest for partition in range(self._partitions)}
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

    def _note_ends(self, known: Mapping[int, int]) -> None:
        self._ends = dict(known)
        for partition, end in known.items():
            self._waiting[partition].reached(end, self._steady())

    def _look_for_records(self, progress: PartitionProgress) -> None:
        """Find out whether any record stands between what was counted and the end of a partition."""
        partition, end = progress.partition, self._ends.get(progress.partition)
        following = 0 if progress.counted_offset is None else progress.counted_offset + 1
        if end is None or self._looked.get(partition) in {Look(following, end), Look(following, None)}:
            return
        reader = Consumer(self._kafka.reader_config())
        try:
            reader.assign([TopicPartition(self._kafka.raw_topic, partition, following)])
            for message in reader.consume(1, _LOOK_TIMEOUT_S):
                error = message.error()
                if error is None:
                    self._looked[partition] = Look(following, None)
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the documented name
                    self._looked[partition] = Look(following, end)
        finally:
            reader.close()

    def _expire(self) -> None:
        for key in self._horizon.expired(self._rows):
            del self._rows[key]

    def progress(self) -> tuple[PartitionProgress, ...]:
        """How far each partition has been counted."""
        return tuple(self._progress_of(partition) for partition in range(self._partitions))

    def _progress_of(self, partition: int) -> PartitionProgress:
        waiting, now_s = self._waiting[partition], self._steady()
        following, end = self._following.get(partition, 0), self._ends.get(partition)
        lag = None if end is None else max(0, end - following)
        if lag and self._looked.get(partition) == Look(following, end):
            lag = 0
        if lag == 0:
            waiting.nothing(now_s)
        late_s = waiting.since_s(following, now_s)
        return PartitionProgress(
            partition=partition,
            counted_offset=following - 1 if partition in self._following else None,
            lag_messages=lag,
            late_s=round(late_s, 3),
            stale=late_s > self._worker.stale_after_s or bool(lag and waiting.came_before(following)),
        )

    def window(self, window_s: float, as_of: datetime | None = None) -> WindowCounts:
        """The counts of the window that ends with the bucket of ``as_of`` (default: now).

        Raises:
            ValueError: the moment is still to come, or the window begins before the year 1.
        """
        now_s = self._clock()
        moment_s = now_s if as_of is None else as_of.timestamp()
        if moment_s > now_s + FUTURE_TOLERANCE_S:
            raise ValueError(f"{utc(moment_s).isoformat()} is still to come")
        total = sum_window(self._rows, moment_s, window_s, self._worker.bucket_s)
        counts = dict(zip(EMOTIONS, total.counts, strict=True))
        labelled = sum(total.counts)
        progress = self.progress()
        _, first_end_s = bucket_of(total.since_s, self._worker.bucket_s)
        all_kept = all(self._horizon.oldest_s(partition) <= first_end_s for partition in range(self._partitions))
        all_fresh = not any(part.stale or part.lag_messages is None for part in progress)
        return WindowCounts(
            as_of=utc(moment_s),
            window_s=total.window_s,
            since=utc(total.since_s),
            bucket_s=self._worker.bucket_s,
            counts=counts,
            shares={emotion: n / labelled if labelled else 0.0 for emotion, n in counts.items()},
            total=labelled,
            mean_confidence={
                emotion: confidence / n if n else None
                for (emotion, n), confidence in zip(counts.items(), total.confidence, strict=True)
            },
            abstained=total.abstained,
            dead=total.dead,
            late_s=max((p.late_s for p in progress), default=0.0),
            complete=self.caught_up and all_kept and all_fresh,
            partitions=progress,
        )
