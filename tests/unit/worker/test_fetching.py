"""What is fetched, and how far: Faust's own objects, not connected."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from tests.apps import CHANGELOG, RAW, consumer_of
from worker.app import EmotionApp
from worker.fetching import ExactThread, _ends


class Reader:
    """A client whose broker lists an end that lies behind the last record."""

    def __init__(self, listed: int, last_end: int) -> None:
        self.listed, self.last_end = listed, last_end
        self.read = False

    async def end_offsets(self, wanted: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(wanted, self.listed)

    def assign(self, _: Any) -> None:
        return

    def seek(self, _: Any, offset: int) -> None:
        assert offset == max(self.listed - 1, 0)

    async def getmany(self, timeout_ms: int) -> None:  # noqa: ARG002 - aiokafka's name
        self.read = True

    def highwater(self, _: Any) -> int | None:
        return self.last_end if self.read else None


def test_nobody_waits_for_ever_for_the_thread_of_the_client(app: EmotionApp, monkeypatch: pytest.MonkeyPatch) -> None:
    async def make() -> ExactThread:
        return ExactThread(app.exact_consumer)

    monkeypatch.setattr("worker.fetching._ENDED_WITHIN_S", 0.1)
    thread = ExactThread.Worker(asyncio.run(make()))
    assert thread.daemon, "Python waits for all others"
    thread.stop()
    assert not thread.is_stopped.is_set()


def test_the_end_of_a_changelog_is_what_a_reader_can_reach() -> None:
    reader: Any = Reader(listed=10, last_end=8)
    assert asyncio.run(_ends(reader, [TopicPartition("changelog", 0)])) == {TP("changelog", 0): 8}
    empty: Any = Reader(listed=0, last_end=0)
    assert asyncio.run(_ends(empty, [TopicPartition("changelog", 0)])) == {TP("changelog", 0): 0}


async def client_setting(app: EmotionApp, name: str) -> object:
    thread = app.exact_consumer._new_consumer_thread()
    consumer = thread._create_worker_consumer(app.transport)
    try:
        return getattr(consumer, name)
    finally:
        consumer._closed = True


def test_an_empty_fetch_holds_up_a_partition_that_is_resumed_meanwhile_for_a_moment_only(app: EmotionApp) -> None:
    assert asyncio.run(client_setting(app, "_fetch_max_wait_ms")) == 10


def test_only_committed_records_are_read(app: EmotionApp) -> None:
    assert asyncio.run(client_setting(app, "_isolation_level")) == "read_committed"


@pytest.mark.parametrize(("seeks_meanwhile", "passed"), [(0, 9), (1, 7), (2, 7)])
def test_holes_are_learned_from_a_fetch_that_no_seek_disturbs_and_in_source_partitions_alone(
    app: EmotionApp, monkeypatch: pytest.MonkeyPatch, seeks_meanwhile: int, passed: int
) -> None:
    consumer = app.exact_consumer
    client: Any = SimpleNamespace(_subscription=SimpleNamespace(subscription=None))

    async def fetch(*_: Any, **__: Any) -> dict[TopicPartition, list[Any]]:
        consumer.holes.seeks += seeks_meanwhile
        records = [SimpleNamespace(offset=offset) for offset in (6, 9)]
        return {TopicPartition(tp.topic, tp.partition): records for tp in (RAW, CHANGELOG)}

    async def play() -> None:
        await consumer._new_consumer_thread()._fetch_records(client, set())

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_fetch_records", fetch)
    asyncio.run(play())
    assert (consumer.past_holes(RAW)(7), consumer.past_holes(CHANGELOG)(7)) == (passed, 7)


def test_faust_is_not_told_how_far_a_source_partition_was_read(app: EmotionApp) -> None:
    read, source, changelog = app.exact_consumer._read_offset, TP(app.raw_topic_name, 0), TP("changelog", 0)
    read.update({source: 7, changelog: 7})
    assert (read[source], read[changelog], read[TP("other", 0)]) == (None, 7, None)


def test_what_waits_before_the_agent_is_bounded_and_leaves_no_partition_out_of_the_fetches(app: EmotionApp) -> None:
    async def room() -> int:
        return int(app.topic(app.raw_topic_name, maxsize=5).clone(is_iterator=True).queue.maxsize)

    assert asyncio.run(room()) == 16
    consumer = consumer_of(app, _active_partitions={RAW, CHANGELOG})
    consumer.on_buffer_full(RAW)
    assert consumer._active_partitions == {RAW, CHANGELOG}
