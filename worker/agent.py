"""The one agent: take a micro-batch, score it off the event loop, publish, count, acknowledge.

Four batches are in flight at most: one is published, two are scored (ADR 24), one is ready so that the engine need not
wait. They end in the order in which they were taken.
"""

import asyncio
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import structlog
from faust.streams import _current_event
from faust.types import EventT, StreamT

from schemas.emotions import EMOTIONS
from worker.counts import count_outcomes
from worker.crashes import CrashJournal
from worker.errors import PublishFailed
from worker.gathering import Gathering, Run
from worker.inference.engine import Engine
from worker.labelling import Rules, label_batch
from worker.metrics import Metrics
from worker.progress import Arrival
from worker.publisher import Publisher, Record
from worker.records import Counted, Outcome, RawRecord
from worker.settings import KafkaSettings, WorkerSettings

if TYPE_CHECKING:
    from worker.app import EmotionApp

_SCORED_AT_ONCE = 2
_BATCHES_IN_FLIGHT = _SCORED_AT_ONCE + 2
_HEARD_POLL_S = 0.05
_BATCHES_WAITING = 8
"""How many full batches may wait to be taken; beyond it the fetcher is slowed down."""

log = structlog.get_logger("worker.agent")


@dataclass(frozen=True, slots=True)
class _Batch:
    """A batch that was labelled, which took ``label_s``."""

    parts: list[tuple[Run, list[Outcome]]]
    """Each run with one outcome for each of its records, in their order."""
    label_s: float

    @classmethod
    def of(cls, runs: list[Run], outcomes: list[Outcome], label_s: float) -> "_Batch":
        """Give each run its outcomes; ``outcomes`` are those of all runs, one after the other."""
        remaining = iter(outcomes)
        return cls([(run, list(islice(remaining, len(run.records)))) for run in runs], label_s)

    @property
    def runs(self) -> list[Run]:
        return [run for run, _ in self.parts]

    @property
    def outcomes(self) -> list[Outcome]:
        return [outcome for _, outcomes in self.parts for outcome in outcomes]

    def only(self, is_ours: Callable[[EventT[Any]], bool]) -> "_Batch":
        """The runs whose events are ours, with their outcomes."""
        return _Batch([part for part in self.parts if is_ours(part[0].event)], self.label_s)


class ScoreAgent:
    """Labels the stream of raw tweets.

    Nothing is acknowledged before the brokers confirmed its event or dead letter and its count was handed to the
    table's changelog. Any failure crashes the app with the batch unacknowledged; a restart reads it again.
    ``current_engine`` is asked before each batch for the engine that labels it.
    """

    def __init__(
        self,
        app: "EmotionApp",
        current_engine: Callable[[], Engine],
        publisher: Publisher,
        metrics: Metrics,
        kafka: KafkaSettings,
        worker: WorkerSettings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._app, self._current_engine, self._publisher, self._metrics = app, current_engine, publisher, metrics
        self._kafka, self._worker = kafka, worker
        self._rules = Rules(
            event_time=worker.event_time,
            include_text=worker.include_text,
            abstain_threshold=worker.abstain_threshold,
            max_text_chars=worker.max_text_chars,
            languages=worker.language_codes,
        )
        self._journal = CrashJournal(
            worker.data_dir, kafka.raw_topic, partial(label_batch, clock=clock), clock, app.progress.moved
        )
        self._model_threads = ThreadPoolExecutor(_SCORED_AT_ONCE, thread_name_prefix="model")
        self._publish_thread = ThreadPoolExecutor(1, thread_name_prefix="publish")
        self._finishing: asyncio.Task[None] | None = None  # ends the last batch, after the one before
        self._in_flight = asyncio.Semaphore(_BATCHES_IN_FLIGHT)
        self._gathering = Gathering(worker.max_batch, worker.max_wait_s, room=_BATCHES_WAITING * worker.max_batch)

    async def run(self, stream: StreamT[Any]) -> None:
        """Work on the stream until the app stops. An event brings what one fetch got of a partition (ADR 20)."""
        stream.enable_acks = False
        working = asyncio.create_task(self._work())
        try:
            async for event in stream.events():
                await self._gathering.put(Run(event, event.value))
        finally:
            working.cancel()

    async def _work(self) -> None:
        try:
            while True:
                await self._in_flight.acquire()
                taken = await self._gathering.take()
                self._app.progress.batch_began()
                if runs := await self._in_sequence(taken):
                    self._begin(runs)
                else:
                    self._app.progress.batch_left_out()
                    self._in_flight.release()
        except Exception as error:
            await self._app.crash(error)
            raise

    def _is_ours(self, event: EventT[Any]) -> bool:
        """False for what was fetched before a rebalance: its partition may belong to another worker now."""
        generation, group = self._app.consumer_generation_id, self._app.exact_consumer.membership.generation
        return bool(event.message.generation_id == generation == group != self._app.progress.dead_generation)

    async def _in_sequence(self, runs: list[Run]) -> list[Run]:
        """The records that continue their partitions.

        What was waiting when the flow stopped is left out: it is read again, here or elsewhere. Around a rebalance
        Faust can drop what it fetched and go on behind it (faust 596), or deliver a record twice: after a gap the
        partition is read again from where it broke off, and what was seen before is left out.
        """
        kept = []
        for run in runs:
            if not (self._is_ours(run.event) and self._app.is_flowing):
                log.info("left out what was fetched before a rebalance", tweets=len(run.records))
            elif self._app.progress.continues(run.tp.partition, run.first, run.last, len(run.records)):
                kept.append(run)
            elif records := await self._continuing(run):
                kept.append(Run(run.event, records))
        return kept

    async def _continuing(self, run: Run) -> list[RawRecord]:
        """The records of a run that come next; where one is ahead, the partition is read again from the gap."""
        progress, consumer = self._app.progress, self._app.exact_consumer
        tp, past_holes = run.tp, consumer.past_holes(run.tp)
        continuing = []
        for record in run.records:
            expected = progress.expected.get(tp.partition, record.offset)
            match progress.arrival(tp.partition, record.offset, past_holes):
                case Arrival.NEXT:
                    self._app.deletions.passed(tp, expected, record.offset)
                    continuing.append(record)
                case Arrival.AHEAD if progress.may_rewind(tp.partition):
                    log.warning("gap in a partition, reading again", partition=tp.partition, offset=record.offset)
                    await consumer.seek(tp, expected)
        return continuing

    def _begin(self, runs: list[Run]) -> None:
        """Queue a batch for the model's threads; `_finish` ends it after the one before."""
        self._gathering.batch_began()
        records = [record for run in runs for record in run.records]
        rules = replace(self._rules, topic_id=self._app.progress.topic_id)
        labelled = asyncio.get_running_loop().run_in_executor(
            self._model_threads, self._label, records, rules, self._app.progress.published
        )
        self._finishing = asyncio.create_task(self._finish(runs, labelled, self._finishing))

    def _label(
        self, records: list[RawRecord], rules: Rules, published: Mapping[tuple[int, int], Counted]
    ) -> tuple[list[Outcome], float]:
        started = time.perf_counter()
        outcomes = self._journal.label(records, self._current_engine(), rules, published)
        return outcomes, time.perf_counter() - started

    async def _finish(
        self,
        runs: list[Run],
        labelled: asyncio.Future[tuple[list[Outcome], float]],
        previous: asyncio.Task[None] | None,
    ) -> None:
        try:
            batch = _Batch.of(runs, *await labelled)
            if previous is not None:
                await previous
            await self._publish_and_count(batch)
        except Exception as error:
            await self._app.crash(error)
            raise
        finally:
            self._gathering.batch_ended()
            self._app.progress.batch_ended()
            self._in_flight.release()

    async def _publish_and_count(self, batch: _Batch) -> None:
        batch = await self._heard(batch)
        if not batch.parts:
            log.info("left out what was scored before a rebalance")
            return
        started = time.perf_counter()
        outcomes = batch.outcomes
        records = self._unpublished(outcomes)
        async with self._app.progress.publishing:
            await asyncio.get_running_loop().run_in_executor(self._publish_thread, self._publisher.publish, records)
        publish_s = time.perf_counter() - started
        self._count(batch)
        self._metrics.batch(outcomes, batch.label_s, publish_s)
        _log_batch(outcomes, batch.label_s, publish_s)

    async def _heard(self, batch: _Batch) -> _Batch:
        """Wait until the group has answered a heartbeat lately; what is ours of the batch then, nothing at a stop.

        Raises:
            PublishFailed: the group did not answer for as long as a publish may take.
        """
        deadline = time.monotonic() + self._worker.delivery_timeout_s
        while (ours := batch.only(self._is_ours)).parts and not self._app.exact_consumer.membership.is_heard:
            if self._app.should_stop:
                return batch.only(lambda _: False)
            if time.monotonic() > deadline:
                raise PublishFailed(f"the group did not answer for {self._worker.delivery_timeout_s:.0f} s")
            await asyncio.sleep(_HEARD_POLL_S)
        return ours

    def _unpublished(self, outcomes: list[Outcome]) -> list[Record]:
        return [
            Record(
                self._kafka.dead_topic if outcome.counted.label is None else self._kafka.emotion_topic,
                outcome.partition,
                outcome.key,
                outcome.value,
            )
            for outcome in outcomes
            if outcome.value is not None
        ]

    def _count(self, batch: _Batch) -> None:
        """Count and acknowledge what is still ours; the rest is counted by the next owner, who finds it published."""
        ours, progress = batch.only(self._is_ours), self._app.progress
        event_of = {run.tp.partition: run.event for run in ours.runs}
        for key, row in count_outcomes(
            ours.outcomes, self._app.rows, self._worker.bucket_s, self._app.horizon.oldest_s, progress.topic_id
        ):
            with _as_current(event_of[key[0]]):
                self._app.counts_table[key] = row
        for run in ours.runs:
            progress.forget(run.tp.partition, run.first, run.last)
            self._app.exact_consumer.acknowledged.add(run.tp, run.first, run.last)

    async def close(self, bound_s: float) -> bool:
        """Wait for the batches in flight and end the threads; False if they did not end within ``bound_s``."""
        if self._finishing is not None:
            _, waiting = await asyncio.wait({self._finishing}, timeout=bound_s)
            if waiting:
                return False
        self._model_threads.shutdown(wait=False)
        self._publish_thread.shutdown(wait=False)
        self._journal.close()
        return True


@contextmanager
def _as_current(event: EventT[Any]) -> Iterator[None]:
    """Table writes need a current event, and `_finish` runs in another task than the stream (faust 497, 300)."""
    token = _current_event.set(weakref.ref(event))
    try:
        yield
    finally:
        _current_event.reset(token)


def _log_batch(outcomes: list[Outcome], label_s: float, publish_s: float) -> None:
    labels = Counter(
        "dead" if outcome.counted.label is None else EMOTIONS[outcome.counted.label] for outcome in outcomes
    )
    log.info(
        "batch",
        tweets=len(outcomes),
        label_ms=round(label_s * 1000, 1),
        publish_ms=round(publish_s * 1000, 1),
        already_published=sum(outcome.value is None for outcome in outcomes),
        offsets={outcome.partition: outcome.offset for outcome in outcomes},
        **labels,
    )
