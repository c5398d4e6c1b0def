"""How far this worker has come: positions, batches in flight, what was published before."""

import asyncio
import time
from collections.abc import Callable
from enum import Enum, auto

from worker.records import Counted

REWIND_INTERVAL_S = 5.0
QUIET_S = 2.0
"""After so long without a batch a record that was fetched and never came counts as dropped."""


class Arrival(Enum):
    """Where a record stands in the sequence of its partition."""

    SEEN = auto()
    NEXT = auto()
    AHEAD = auto()


class Progress:
    """State that the agent, the consumer and the watchdog share; changed on the event loop only, but for `moved`.

    The threads of the model look up in ``published`` what stands at the offsets of their own batch, which stays there
    until that batch is counted.
    """

    def __init__(self) -> None:
        self.expected: dict[int, int] = {}
        """Partition -> the offset that must come next."""
        self.published: dict[tuple[int, int], Counted] = {}
        """(partition, offset) -> outcome that stood on the topics when the partition was assigned."""
        self.topic_id: str | None = None
        """Of the raw topic, when its partitions were assigned."""
        self.dead_generation: int | None = None
        """Consumer generation whose partitions have been revoked."""
        self.publishing = asyncio.Lock()
        """Held while a batch is published."""
        self.moved_at = time.monotonic()
        self._rewind_due: dict[int, tuple[int, float]] = {}
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def start_from(self, starts: dict[int, int], published: dict[tuple[int, int], Counted]) -> None:
        """Begin a new assignment: partition -> first offset to read."""
        self.expected = dict(starts)
        self.published = published
        self.moved_at = time.monotonic()

    def batch_began(self) -> None:
        """A batch was taken."""
        self._in_flight += 1
        self._idle.clear()

    def moved(self) -> None:
        """A part of a batch was labelled; may be called in any thread."""
        self.moved_at = time.monotonic()

    def batch_ended(self) -> None:
        """A batch was counted, or given up because its partitions are gone."""
        self.moved()
        self.batch_left_out()

    def batch_left_out(self) -> None:
        """Nothing of a batch continued its partition: no progress."""
        self._in_flight -= 1
        if self._in_flight == 0:
            self._idle.set()

    @property
    def is_idle(self) -> bool:
        """Whether no batch is in flight."""
        return self._in_flight == 0

    async def drained(self, bound_s: float) -> bool:
        """Wait until no batch is in flight; False if ``bound_s`` was not enough."""
        try:
            await asyncio.wait_for(self._idle.wait(), bound_s)
        except TimeoutError:
            return False
        return True

    def continues(self, partition: int, first: int, last: int, count: int) -> bool:
        """Whether ``count`` records from ``first`` to ``last`` come next and leave out no offset.

        If so, `arrival` would say `Arrival.NEXT` of each; the expectation moves on.
        """
        if self.expected.get(partition, first) != first or last - first + 1 != count:
            return False
        self.expected[partition] = last + 1
        return True

    def arrival(self, partition: int, offset: int, past_holes: Callable[[int], int]) -> Arrival:
        """Where a record stands in its partition; one that is next moves the expectation on.

        ``past_holes`` as of the consumer.
        """
        following = self.expected.get(partition, offset)
        if offset < following:
            return Arrival.SEEN
        if past_holes(following) < offset:
            return Arrival.AHEAD
        self.expected[partition] = offset + 1
        return Arrival.NEXT

    def may_rewind(self, partition: int) -> bool:
        """Whether it is time to read a partition again from ``expected``: at once, then every few seconds."""
        now, following = time.monotonic(), self.expected[partition]
        offset, due_at = self._rewind_due.get(partition, (following, now))
        due = offset != following or now >= due_at
        if due:
            self._rewind_due[partition] = (following, now + REWIND_INTERVAL_S)
        return due

    def is_quiet(self) -> bool:
        """Whether nothing is in flight and nothing came for `QUIET_S`."""
        return self.is_idle and time.monotonic() - self.moved_at >= QUIET_S

    def forget(self, partition: int, first: int, last: int) -> None:
        """Drop what was remembered of records that have been counted."""
        if self.published:
            for offset in range(first, last + 1):
                self.published.pop((partition, offset), None)
