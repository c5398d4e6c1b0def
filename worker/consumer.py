"""Mends of Faust's consumer; each names the issue at faust-streaming/faust that it can be deleted with.

Pinned to faust-streaming 0.15.3: a test fails when one of the internals used here moves.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from faust.tables.recovery import RebalanceAgain
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from worker.acknowledged import Acknowledged
from worker.counts import positions
from worker.fetching import ExactThread, ReadOffsets
from worker.holes import Holes
from worker.membership import Membership
from worker.records import RawRecord

if TYPE_CHECKING:
    from worker.app import EmotionApp


class ExactConsumer(driver.Consumer):
    """Reads from where the table ends, commits only contiguous runs, and finishes its batch before it lets go."""

    app: "EmotionApp"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Faust drops what lies before the last record it saw. One that is under way during a seek then hides what is
        # read again, and under a backlog one nearly always is.
        self._read_offset = ReadOffsets(self.app.raw_topic_name)
        self.holes, self.acknowledged, self.membership = Holes(), Acknowledged(), Membership()
        self._deferred: frozenset[TP] = frozenset()
        """Source partitions that flow as soon as the rebalance is over."""
        self._seeking = asyncio.Lock()
        self._fetching: asyncio.Task[Any] | None = None
        self._assigned_in = 0
        """The number of the rebalance that assigned our partitions."""

    def _new_consumer_thread(self) -> ExactThread:
        return ExactThread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Note that the group knows us, and which rebalance this is."""
        self.membership.renew()
        self._assigned_in = self.app.rebalancing_count
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
                self.acknowledged.begin(tp, start)
                starts[tp.partition] = start
            await self.app.begin_assignment(starts)
            if self.is_overtaken:
                raise RebalanceAgain

    # 606: Faust commits the end of the acked run wherever that run starts, over tweets that are not acked.
    def _new_offset(self, tp: TP) -> int | None:
        """The offset to commit: where the acknowledged runs, and holes, that follow the last one without a gap end."""
        following = self.acknowledged.advance(tp, self.past_holes(tp))
        if following is not None:
            # The agent has yet to pass a hole behind the last record that it took.
            self.holes.forget(tp, before=min(following, self.app.progress.expected.get(tp.partition, following)))
        return following

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        return self.app.may_commit and await super()._commit(offsets)

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in self.acknowledged.pending if topics is None or tp in topics or tp.topic in topics)

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
        if self.membership.generation != self.app.consumer_generation_id:
            self.app.progress.dead_generation = self.app.consumer_generation_id
        await self.app.progress.drained(self.app.drain_s)
        self.app.progress.dead_generation = self.app.consumer_generation_id
        if revoked:
            await self.commit()
        for tp in revoked:
            self.acknowledged.forget(tp)
            self.holes.forget(tp)
        await super().on_partitions_revoked(revoked)


class ExactTransport(driver.Transport):
    """Faust's Kafka transport with the mended consumer."""

    Consumer = ExactConsumer
