"""How far this worker has come: positions, batches in flight, what was published before."""

import asyncio
import time

from worker.errors import TweetsSkipped
from worker.records import Counted


class Progress:
    """State that the agent, the consumer and the watchdog share; touched on the event loop only."""

    def __init__(self) -> None:
        self.expected: dict[int, int] = {}
        """Partition -> the offset that must come next."""
        self.published: dict[tuple[int, int], Counted] = {}
        """(partition, offset) -> outcome that stood on the topics when the partition was assigned."""
        self.dead_generation: int | None = None
        """Consumer generation whose partitions have been revoked."""
        self.moved_at = time.monotonic()
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

    def batch_ended(self) -> None:
        """A batch was counted, or given up because its partitions are gone."""
        self._in_flight -= 1
        self.moved_at = time.monotonic()
        if self._in_flight == 0:
            self._idle.set()

    async def drained(self, bound_s: float) -> bool:
        """Wait until no batch is in flight; False if ``bound_s`` was not enough."""
        try:
            await asyncio.wait_for(self._idle.wait(), bound_s)
        except TimeoutError:
            return False
        return True

    def expect(self, partition: int, offset: int, *, may_skip: bool) -> None:
        """Note that ``offset`` came.

        Raises:
            TweetsSkipped: offsets between the last one and this are missing and ``may_skip`` does not excuse it.
        """
        following = self.expected.get(partition)
        if following is not None and offset > following and not may_skip:
            raise TweetsSkipped(f"partition {partition}: offsets {following} to {offset - 1} did not come")
        self.expected[partition] = max(following or 0, offset + 1)

    def forget(self, partition: int, offset: int) -> None:
        """Drop what was remembered of a record that has been counted."""
        self.published.pop((partition, offset), None)
