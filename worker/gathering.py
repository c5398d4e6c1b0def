"""Raw records that wait to be scored, and the micro-batches that are taken from them."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from faust.types import TP, EventT

from worker.records import RawRecord


@dataclass(frozen=True, slots=True)
class Run:
    """Records of one partition in the order of their offsets, at least one, from one fetch."""

    event: EventT[Any]
    """The Faust event that brought them; it tells partition and generation."""
    records: Sequence[RawRecord]

    @property
    def tp(self) -> TP:
        """Topic and partition."""
        tp: TP = self.event.message.tp
        return tp

    @property
    def first(self) -> int:
        """Offset of the first record."""
        return self.records[0].offset

    @property
    def last(self) -> int:
        """Offset of the last record."""
        return self.records[-1].offset


class Gathering:
    """A queue of runs from which batches are taken.

    A batch is taken as soon as it is full. One that is not full is taken when ``max_wait_s`` have passed since its
    first record came and no other batch is on its way; while one is, records go on gathering, since a batch costs the
    broker and the event loop the same however small it is. (The timer of Faust's ``take`` is no such deadline: it
    repeats whatever comes.)

    Args:
        max_batch: records in a batch at most.
        max_wait_s: how long a record waits for others if no batch is on its way.
        room: `put` waits while at least so many records wait.
    """

    def __init__(self, max_batch: int, max_wait_s: float, *, room: int) -> None:
        self._max_batch, self._max_wait_s, self._room = max_batch, max_wait_s, room
        self._waiting: deque[tuple[float, Run]] = deque()
        self._count = 0
        self._on_their_way = 0
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()

    def __len__(self) -> int:
        return self._count

    @property
    def is_full(self) -> bool:
        """Whether a whole batch waits."""
        return self._count >= self._max_batch

    async def put(self, run: Run) -> None:
        """Add what came; waits while there is no room."""
        while self._count >= self._room:
            self._taken.clear()
            await self._taken.wait()
        self._waiting.append((self._now(), run))
        self._count += len(run.records)
        self._changed.set()

    def batch_began(self) -> None:
        """Note that a batch is on its way."""
        self._on_their_way += 1

    def batch_ended(self) -> None:
        """Note that a batch is published and counted, or given up."""
        self._on_their_way -= 1
        self._changed.set()

    async def take(self) -> list[Run]:
        """Wait for a batch and take it, the oldest records first."""
        while not self.is_full:
            if self._on_their_way or not self._waiting:
                await self._change(None)
                continue
            first_arrived_s, _ = self._waiting[0]
            left_s = first_arrived_s + self._max_wait_s - self._now()
            if left_s <= 0:
                break
            await self._change(left_s)
        return self._cut()

    async def _change(self, bound_s: float | None) -> None:
        """Wait until records came or a batch ended, ``bound_s`` at most."""
        self._changed.clear()
        try:
            async with asyncio.timeout(bound_s):
                await self._changed.wait()
        except TimeoutError:
            return

    def _cut(self) -> list[Run]:
        """Take up to ``max_batch`` records; a run that does not fit as a whole is split."""
        batch: list[Run] = []
        missing = self._max_batch
        while missing and self._waiting:
            arrived_s, run = self._waiting.popleft()
            if len(run.records) > missing:
                self._waiting.appendleft((arrived_s, Run(run.event, run.records[missing:])))
                run = Run(run.event, run.records[:missing])
            batch.append(run)
            missing -= len(run.records)
        self._count -= self._max_batch - missing
        self._taken.set()
        return batch

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
