"""The counts of all partitions as the changelog tells them, how late they are, and whether they are complete. Pure."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from schemas.counts import PartitionProgress, WindowCounts
from schemas.emotions import EMOTIONS
from worker.counts import Horizon, Row, RowKey, bucket_of, is_newer, sum_window
from worker.labelling import FUTURE_TOLERANCE_S
from worker.records import utc
from worker.settings import WorkerSettings
from worker.waiting import Waiting

_LOOK_AFTER_S = 2.0
"""A partition that lags for so long may have nothing to count: transaction markers take offsets, too."""


class Look(NamedTuple):
    """What a look at the raw topic from ``offset`` on found: no record up to the end ``empty_to``, or one (None)."""

    offset: int
    empty_to: int | None


class CountsView:
    """Rows of every partition as their owners wrote them, and how far each partition lags.

    Args:
        settings: of the worker; how long buckets are, how long they stay, when an answer is stale.
        partitions: how many partitions the raw topic and the changelog have.
        clock: seconds since the epoch; the end of a window that is asked for without a moment.
        steady: seconds of a clock that is never set; tells how long records wait.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        partitions: int,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._partitions = settings, partitions
        self._clock, self._steady = clock, steady
        self._rows: dict[RowKey, Row] = {}
        self._following: dict[int, int] = {}
        """Partition -> the offset after the last one counted."""
        self._horizon = Horizon(settings.retention_s + 2 * settings.bucket_s, clock)
        self._waiting = [Waiting(steady()) for _ in range(partitions)]
        self._looked: dict[int, Look] = {}
        """Partition -> the last look at what stands behind its last counted record."""
        self._unread = set(range(partitions))
        """Partitions of the changelog whose end has not been reached yet."""
        self.ends: Mapping[int, int] = {}
        """Partition -> end offset of the raw topic, as last seen."""
        self.overtaken: set[RowKey] = set()
        """Rows behind which an older one stands in the changelog: compaction would keep that one."""

    @property
    def caught_up(self) -> bool:
        """Whether the end of every changelog partition has been reached once."""
        return not self._unread

    def read_to_its_end(self, partition: int) -> None:
        """Note that this partition of the changelog has been."""
        self._unread.discard(partition)

    def apply(self, key: RowKey, row: Row | None) -> None:
        """Take what a record of the changelog says; a row that has seen less than the one known changes nothing."""
        if row is None:
            self._rows.pop(key, None)
            self.overtaken.discard(key)
        elif not is_newer(row, self._rows.get(key)):
            self.overtaken.add(key)
        else:
            partition, _ = key
            self._rows[key] = row
            self.overtaken.discard(key)
            self._following[partition] = max(self._following.get(partition, 0), row["done"] + 1)
            self._horizon.note(key)

    def note_ends(self, known: Mapping[int, int]) -> None:
        """Take the ends of the raw topic's partitions; what is not among them is not known any more."""
        self.ends = dict(known)
        for partition, end in known.items():
            self._waiting[partition].reached(end, self._steady())

    def unexplained(self) -> dict[int, tuple[int, int]]:
        """Partition -> the offset that lags, and the end: where a look must tell whether there is anything to count."""
        late = (part.partition for part in self.progress() if part.lag_messages and part.late_s > _LOOK_AFTER_S)
        return {
            partition: (following, self.ends[partition])
            for partition in late
            if self._looked.get(partition) != Look(following := self._next(partition), None)
        }

    def note_look(self, partition: int, look: Look) -> None:
        """Take what the look found."""
        self._looked[partition] = look

    def expire(self) -> None:
        """Drop the rows of buckets that have expired."""
        for key in self._horizon.expired(self._rows):
            del self._rows[key]

    def _next(self, partition: int) -> int:
        return self._following.get(partition, 0)

    def progress(self) -> tuple[PartitionProgress, ...]:
        """How far each partition has been counted."""
        return tuple(self._progress_of(partition) for partition in range(self._partitions))

    def _progress_of(self, partition: int) -> PartitionProgress:
        waiting, now_s = self._waiting[partition], self._steady()
        following, end = self._next(partition), self.ends.get(partition)
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
            stale=late_s > self._settings.stale_after_s or bool(lag and waiting.came_before(following)),
        )

    def window(self, window_s: float, as_of: datetime | None = None) -> WindowCounts:
        """The counts of the window that ends with the bucket of ``as_of`` (default: now).

        Raises:
            ValueError: the moment is still to come, or the window begins before the year 1.
        """
        bucket_s, now_s = self._settings.bucket_s, self._clock()
        moment_s = now_s if as_of is None else as_of.timestamp()
        if moment_s > now_s + FUTURE_TOLERANCE_S:
            raise ValueError(f"{utc(moment_s).isoformat()} is still to come")
        total = sum_window(self._rows, moment_s, window_s, bucket_s)
        counts = dict(zip(EMOTIONS, total.counts, strict=True))
        labelled = sum(total.counts)
        progress = self.progress()
        _, first_end_s = bucket_of(total.since_s, bucket_s)
        all_kept = all(self._horizon.oldest_s(partition) <= first_end_s for partition in range(self._partitions))
        all_fresh = not any(part.stale or part.lag_messages is None for part in progress)
        return WindowCounts(
            as_of=utc(moment_s),
            window_s=total.window_s,
            since=utc(total.since_s),
            bucket_s=bucket_s,
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
