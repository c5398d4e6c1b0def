"""Mends of Faust's consumer; each names the issue at faust-streaming/faust that it can be deleted with.

Pinned to faust-streaming 0.15.3: a test fails when one of the internals used here moves.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from faust.tables.recovery import RebalanceAgain
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from worker.clock import boot_s
from worker.counts import positions
from worker.fetching import ExactThread, ReadOffsets
from worker.holes import Holes
from worker.records import RawRecord

if TYPE_CHECKING:
    from worker.app import EmotionApp

HEARD_WITHIN_S = 3.0
"""Half of the session timeout: a group that answered a heartbeat so lately has not given our partitions away."""


class ExactConsumer(driver.Consumer):
    """Reads from where the table ends, commits only contiguous runs, and finishes its batch before it lets go."""

    app: "EmotionApp"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Faust drops what lies before the last record it saw. One that is under way during a seek then hides what is
        # read again, and under a backlog one nearly always is.
        self._read_offset = ReadOffsets(self.app.raw_topic_name)
        self.holes = Holes()
        self._base: dict[TP, int] = {}
        """Source partition -> the offset to commit next, at first the one where reading began."""
        self._done: defaultdict[TP, deque[tuple[int, int]]] = defaultdict(deque)
        """First and last offset of acknowledged runs that are not committed yet."""
        self._deferred: frozenset[TP] = frozenset()
        """Source partitions that flow as soon as the rebalance is over."""
        self._seeking = asyncio.Lock()
        self._fetching: asyncio.Task[Any] | None = None
        self._coordinator: Any = None
        self._heard_at = boot_s()
        self._assigned_in = 0
        """The number of the rebalance that assigned our partitions."""

    def _new_consumer_thread(self) -> ExactThread:
        return ExactThread(self, loop=self.loop, beacon=self.beacon)

    def listen_to(self, coordinator: Any) -> None:
        """Note the heartbeats of aiokafka's group coordinator; called in its thread."""
        self._coordinator, beat = coordinator, coordinator._do_heartbeat  # noqa: SLF001 - aiokafka has no other way

        async def noting() -> bool:
            asked_at = boot_s()
            answered = bool(await beat())
            if answered:
                self._heard_at = asked_at
            return answered

        coordinator._do_heartbeat = noting  # noqa: SLF001 - see above

    @property
    def is_heard(self) -> bool:
        """Whether the group knew us a moment ago. What stood still does not know what it missed."""
        return boot_s() - self._heard_at < HEARD_WITHIN_S

    @property
    def group_generation(self) -> int | None:
        """The generation that the client believes in; it changes as soon as the group says that we are out."""
        generation: int | None = self._coordinator and self._coordinator.generation
        return generation

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Note that the group knows us, and which rebalance this is."""
        self._heard_at, self._assigned_in = boot_s(), self.app.rebalancing_count
        await super().on_partitions_assigned(assigned, generation_id)

    # Faust spends four tasks and an event on every record between the fetcher and the agent (ADR 20).
    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109 - Faust's signature
        """As Faust's, but all records of a source partition are handed on in one piece."""
        fetched = await super()._getmany(active_partitions, timeout)
        return {
            tp: [records] if tp.topic == self.app.raw_topic_name and records else records
            for tp, records in fetched.items()
        }

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        """As Faust's, but a piece becomes one message: its value is the list of records, its offset the last one's."""
        if not isinstance(record, list):
            return super()._to_message(tp, record)
        message = super()._to_message(tp, record[-1])
        pieces: Any = [RawRecord.of(one) for one in record]
        message.value = pieces
        return message

    def _sources(self, tps: Any) -> set[TP]:
        """Those that are partitions of the raw topic."""
        return {tp for tp in tps if tp.topic == self.app.raw_topic_name}

    # 596: recovery resumes the source partitions, then seeks, then clears the queues: what came in between is lost.
    def resume_partitions(self, tps: Any) -> None:
        """Resume at once, but source partitions only when the rebalance is over."""
        wanted = set(tps)
        held = self._sources(wanted) if self.app.rebalancing else set()
        if held:
            self._deferred = frozenset(held)
        super().resume_partitions(wanted - held)

    def resume_deferred(self) -> None:
        """Resume what the rebalance held back."""
        held, self._deferred = self._deferred, frozenset()
        if held:
            super().resume_partitions(set(held))

    # Faust leaves a partition out of its fetches while its pieces wait, and sleeps a second where none is left.
    def on_buffer_full(self, tp: TP) -> None:
        """Nothing: what does not fit any more waits in the fetcher, and the fetcher with it."""

    def stop_flow(self) -> None:
        """Stop consuming; nothing is held back any more."""
        self._deferred = frozenset()
        super().stop_flow()

    async def _drain_messages(self, fetcher: Any) -> None:
        """As Faust's, but `perform_seek` learns which task this is."""
        self._fetching = asyncio.current_task()
        await super()._drain_messages(fetcher)

    # Faust ends a rebalance with this even if the next one has begun meanwhile, and takes that for ended too.
    @property
    def is_overtaken(self) -> bool:
        """Whether another rebalance began since our partitions were assigned."""
        return self.app.rebalancing_count != self._assigned_in

    # The committed offset lags behind or runs ahead of the changelog after a crash: the table decides.
    async def perform_seek(self) -> None:
        """Seek every source partition to the offset after the last one counted.

        Faust calls this at the end of a rebalance, when the table is whole, and also, which is left out here, when a
        fetch returns while flow is suspended: the table may be half recovered then, and the end is still to come.

        Raises:
            RebalanceAgain: the next rebalance has begun; Faust waits for its assignment.
        """
        if asyncio.current_task() is self._fetching:
            return
        async with self._seeking:
            if self.is_overtaken:
                raise RebalanceAgain
            await self.app.progress.drained(self.app.drain_s)
            async with self.app.progress.publishing:
                pass  # what is being published must be seen by `begin_assignment`
            await super().perform_seek()
            counted = positions(self.app.rows)
            sources = self._sources(self.assignment())
            known = {tp: counted.get(tp.partition, self._committed_offset.get(tp)) for tp in sources}
            firsts = await self.earliest_offsets(*known) if known else {}
            starts: dict[int, int] = {}
            for tp, offset in known.items():
                start = max(firsts[tp], offset or 0)
                if offset is not None:
                    self.app.deletions.note(tp, offset, start)
                await self.seek(tp, start)
                self._base[tp] = starts[tp.partition] = start
                self._done[tp].clear()
            await self.app.begin_assignment(starts)
            if self.is_overtaken:
                raise RebalanceAgain

    def acknowledge(self, tp: TP, first: int, last: int) -> None:
        """All records from ``first`` to ``last`` have their outcome published and counted; runs come in order."""
        if tp in self._base:
            self._done[tp].append((first, last))

    # 606: Faust commits the end of the acked run wherever that run starts, over tweets that are not acked.
    def _new_offset(self, tp: TP) -> int | None:
        """The offset to commit: where the acknowledged runs, and holes, that follow `_base` without a gap end."""
        base = self._base.get(tp)
        if base is None:
            return None
        done, past = self._done[tp], self.past_holes(tp)
        following = past(base)
        while done and done[0][0] <= following:
            following = past(max(following, done.popleft()[1] + 1))
        if following == base:
            return None
        # The agent has yet to pass a hole behind the last record that it took.
        self.holes.forget(tp, before=min(following, self.app.progress.expected.get(tp.partition, following)))
        self._base[tp] = following
        return following

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        return self.app.may_commit and await super()._commit(offsets)

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        wanted = [tp for tp, done in self._done.items() if done]
        return (tp for tp in wanted if topics is None or tp in topics or tp.topic in topics)

    # Faust notes a gap for whatever did not reach its queues, a fetch that it dropped included: tweets would be lost.
    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Believe only what `Holes` has noted."""

    async def seek(self, partition: TP, offset: int) -> None:
        """Go to an offset; what is fetched at this moment tells of no holes."""
        with self.holes.seeking(partition, offset):
            await super().seek(partition, offset)

    def past_holes(self, tp: TP) -> Callable[[int], int]:
        """As `Holes.past`."""
        return self.holes.past(tp)

    # 502: at a revocation Faust forgets the acks of the batch in flight, and its work is repeated elsewhere.
    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish the batch in flight (bounded) and commit it before the partitions go, if they are not gone already."""
        if self.group_generation != self.app.consumer_generation_id:
            self.app.progress.dead_generation = self.app.consumer_generation_id
        await self.app.progress.drained(self.app.drain_s)
        self.app.progress.dead_generation = self.app.consumer_generation_id
        if revoked:
            await self.commit()
        for tp in revoked:
            self._base.pop(tp, None)
            self._done.pop(tp, None)
            self.holes.forget(tp)
        await super().on_partitions_revoked(revoked)


class ExactTransport(driver.Transport):
    """Faust's Kafka transport with the mended consumer."""

    Consumer = ExactConsumer
