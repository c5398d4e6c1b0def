"""The one agent: take a micro-batch, score it off the loop, publish, count, acknowledge.

While a batch is published the next is scored; batches end in the order in which they were taken.
"""

import asyncio
import time
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import structlog
from faust.streams import Stream, _current_event
from faust.types import EventT, StreamT

from schemas.emotions import EMOTIONS
from worker.counts import count_outcomes
from worker.inference.engine import Engine
from worker.labelling import Rules, label_batch
from worker.metrics import Metrics
from worker.progress import Place
from worker.publisher import Publisher, Record
from worker.records import Outcome, RawRecord
from worker.settings import KafkaSettings, WorkerSettings

if TYPE_CHECKING:
    from worker.app import EmotionApp

log = structlog.get_logger("worker.agent")


@dataclass(slots=True)
class _Batch:
    events: list[EventT[Any]]
    outcomes: list[Outcome]
    label_s: float


class ScoreAgent:
    """Labels the stream of raw tweets.

    Nothing is acknowledged before the brokers confirmed its event or dead letter and its count was handed to the
    table's changelog. Any failure crashes the app with the batch unacknowledged; a restart reads it again.
    """

    def __init__(
        self,
        app: "EmotionApp",
        engine: Engine,
        publisher: Publisher,
        metrics: Metrics,
        kafka: KafkaSettings,
        worker: WorkerSettings,
    ) -> None:
        self._app, self._engine, self._publisher, self._metrics = app, engine, publisher, metrics
        self._kafka, self._worker = kafka, worker
        threshold = worker.abstain_threshold
        self._rules = Rules(
            event_time=worker.event_time,
            include_text=worker.include_text,
            abstain_threshold=engine.manifest.abstain_threshold if threshold is None else threshold,
            max_text_chars=worker.max_text_chars,
        )
        self._model_thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._publish_thread = ThreadPoolExecutor(1, thread_name_prefix="publish")
        self._finishing: asyncio.Task[None] | None = None

    async def run(self, stream: StreamT[Any]) -> None:
        """Work on the stream until the app stops."""
        async for events in self._batches(stream):
            await self._take(events)

    async def _batches(self, stream: StreamT[Any]) -> AsyncIterator[list[EventT[Any]]]:
        batches = cast("Stream[Any]", stream).noack_take(self._worker.max_batch, within=self._worker.max_wait_s)
        async for events in batches:
            fresh = [event for event in events if self._is_ours(event)]
            if len(fresh) < len(events):
                log.info("left out what was fetched before a rebalance", tweets=len(events) - len(fresh))
            following = await self._in_sequence(sorted(fresh, key=lambda event: event.message.offset))
            if following:
                yield following

    def _is_ours(self, event: EventT[Any]) -> bool:
        """False for what was fetched before a rebalance: its partition may belong to another worker now."""
        generation = self._app.consumer_generation_id
        return bool(event.message.generation_id == generation != self._app.progress.dead_generation)

    async def _in_sequence(self, events: list[EventT[Any]]) -> list[EventT[Any]]:
        """The events that continue their partitions.

        Around a rebalance Faust can drop what it fetched and go on behind it (faust 596), or deliver a record twice:
        after a gap the partition is read again from where it broke off, and what was seen before is left out.
        """
        progress, consumer = self._app.progress, self._app.exact_consumer
        kept = []
        for event in events:
            message = event.message
            match progress.place(message.partition, message.offset, consumer.holes(message.tp)):
                case Place.NEXT:
                    kept.append(event)
                case Place.AHEAD if progress.may_rewind(message.partition):
                    log.warning("gap in a partition, reading again", partition=message.partition, offset=message.offset)
                    await consumer.rewind(message.tp, progress.expected[message.partition])
                case _:
                    continue
        return kept

    async def _take(self, events: list[EventT[Any]]) -> None:
        progress = self._app.progress
        progress.batch_began()
        try:
            batch = await self._label(events)
            await self._previous_ended()
        except BaseException:
            progress.batch_ended()
            raise
        self._finishing = asyncio.create_task(self._finish(batch))

    async def _label(self, events: list[EventT[Any]]) -> _Batch:
        records = [_record(event) for event in events]
        started = time.perf_counter()
        outcomes = await asyncio.get_running_loop().run_in_executor(
            self._model_thread, label_batch, records, self._engine, self._rules, self._app.progress.published
        )
        return _Batch(events, outcomes, time.perf_counter() - started)

    async def _previous_ended(self) -> None:
        if self._finishing is not None:
            await self._finishing

    async def _finish(self, batch: _Batch) -> None:
        try:
            started = time.perf_counter()
            records = self._unpublished(batch.outcomes)
            await asyncio.get_running_loop().run_in_executor(self._publish_thread, self._publisher.publish, records)
            publish_s = time.perf_counter() - started
            self._count(batch)
            self._metrics.batch(batch.outcomes, batch.label_s, publish_s)
            _log_batch(batch, publish_s)
        except Exception as error:
            await self._app.crash(error)
            raise
        finally:
            self._app.progress.batch_ended()

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
        """Count and acknowledge what is still ours; the rest is the next owner's, who finds it published."""
        ours = [
            (event, outcome)
            for event, outcome in zip(batch.events, batch.outcomes, strict=True)
            if self._is_ours(event)
        ]
        event_of = {event.message.partition: event for event, _ in ours}
        oldest_s = time.time() - self._worker.retention_s
        for key, row in count_outcomes(
            [outcome for _, outcome in ours], self._app.rows, self._worker.bucket_s, oldest_s
        ):
            with _as_current(event_of[key[0]]):
                self._app.counts_table[key] = row
        for event, outcome in ours:
            self._app.progress.forget(outcome.partition, outcome.offset)
            event.ack()

    async def close(self) -> None:
        """Wait for the batch that is being published and end the threads."""
        if self._finishing is not None:
            await asyncio.wait({self._finishing})
        self._model_thread.shutdown(wait=False)
        self._publish_thread.shutdown(wait=False)


def _record(event: EventT[Any]) -> RawRecord:
    message = event.message
    headers: Any = message.headers or ()
    pairs = tuple(headers.items()) if isinstance(headers, dict) else tuple(headers)
    return RawRecord(
        message.topic, message.partition, message.offset, message.key, message.value, pairs, message.timestamp or 0.0
    )


@contextmanager
def _as_current(event: EventT[Any]) -> Iterator[None]:
    """Table writes need a current event, and ``take`` runs us in another task than the stream (faust 497, 300)."""
    token = _current_event.set(weakref.ref(event))
    try:
        yield
    finally:
        _current_event.reset(token)


def _log_batch(batch: _Batch, publish_s: float) -> None:
    labels = Counter(
        "dead" if outcome.counted.label is None else EMOTIONS[outcome.counted.label] for outcome in batch.outcomes
    )
    offsets: dict[int, int] = {}
    for outcome in batch.outcomes:
        offsets[outcome.partition] = outcome.offset
    log.info(
        "batch",
        tweets=len(batch.outcomes),
        label_ms=round(batch.label_s * 1000, 1),
        publish_ms=round(publish_s * 1000, 1),
        already_published=sum(outcome.value is None for outcome in batch.outcomes),
        offsets=offsets,
        **labels,
    )
