"""Each mend of Faust on Faust's own objects, not connected; docs/faust.md lists them all."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mode
import pytest
from aiokafka import TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from worker.agent import _as_current
from worker.app import EmotionApp, build_app
from worker.consumer import HEARD_WITHIN_S, ExactConsumer
from worker.counts import bucket_of, new_row
from worker.fetching import _ends
from worker.follower import Follower
from worker.health import Health
from worker.logging import configure_logging
from worker.progress import QUIET_S
from worker.settings import KafkaSettings, WorkerSettings

KAFKA, WORKER = KafkaSettings(), WorkerSettings(drain_s=5.0)
RAW, CHANGELOG = TP(KAFKA.raw_topic, 0), TP(WORKER.changelog_topic, 0)
KEY = (0, bucket_of(1_800_000_000.0, WORKER.bucket_s))


@pytest.fixture
def app(tmp_path: Path) -> EmotionApp:
    return build_app(KAFKA, WORKER.model_copy(update={"data_dir": tmp_path}), 4)


def consumer_of(app: EmotionApp, **instead: Any) -> ExactConsumer:
    consumer = app.exact_consumer
    vars(consumer).update(instead)
    return consumer


def nothing_async(*_: Any, **__: Any) -> Awaitable[None]:
    return asyncio.sleep(0)


def test_source_partitions_stay_paused_until_the_rebalance_is_over(app: EmotionApp) -> None:
    consumer = consumer_of(app, _active_partitions=set())
    app.rebalancing = True
    consumer.resume_partitions({RAW, CHANGELOG})
    assert consumer._get_active_partitions() == {CHANGELOG}
    app.on_rebalance_end()
    assert consumer._get_active_partitions() == {CHANGELOG, RAW}


def test_a_stop_forgets_what_a_rebalance_held_back(app: EmotionApp) -> None:
    consumer = consumer_of(app, _active_partitions=set())
    app.rebalancing = True
    consumer.resume_partitions({RAW})
    consumer.stop_flow()
    app.on_rebalance_end()
    assert consumer._get_active_partitions() == set()


def seeking(app: EmotionApp, committed: int) -> tuple[ExactConsumer, list[tuple[TP, int]]]:
    sought: list[tuple[TP, int]] = []

    async def seek_to_committed() -> dict[TP, int]:
        return {RAW: committed}

    async def seek(tp: TP, offset: int) -> None:
        sought.append((tp, offset))

    vars(app)["begin_assignment"] = nothing_async
    consumer = consumer_of(app, seek_to_committed=seek_to_committed, seek=seek, assignment=lambda: {RAW, CHANGELOG})
    return consumer, sought


@pytest.mark.parametrize("committed", [3, 40])
def test_reading_begins_behind_the_last_counted_tweet_whatever_the_group_committed(
    app: EmotionApp, committed: int
) -> None:
    async def play() -> list[tuple[TP, int]]:
        app.rows[KEY] = new_row() | {"o": 9, "done": 9}
        consumer, sought = seeking(app, committed)
        await consumer.perform_seek()
        return sought

    assert asyncio.run(play()) == [(RAW, 10)]


def test_a_fetch_that_comes_while_the_table_is_half_recovered_seeks_nothing(
    app: EmotionApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> list[tuple[TP, int]]:
        consumer, sought = seeking(app, 3)
        monkeypatch.setattr(driver.Consumer, "_drain_messages", lambda *_: consumer.perform_seek())
        fetcher: Any = None
        await asyncio.create_task(consumer._drain_messages(fetcher))
        return sought

    assert asyncio.run(play()) == []


def test_a_batch_that_is_being_published_is_waited_for_before_the_topics_are_looked_at(app: EmotionApp) -> None:
    async def play() -> tuple[bool, bool]:
        consumer, sought = seeking(app, 3)
        async with app.progress.publishing:
            task = asyncio.create_task(consumer.perform_seek())
            await asyncio.sleep(0.05)
            before = bool(sought)
        await task
        return before, bool(sought)

    assert asyncio.run(play()) == (False, True)


def test_seeks_of_two_rebalances_follow_each_other(app: EmotionApp) -> None:
    """Else the second clears what the first is about to begin with."""

    async def play() -> list[str]:
        steps: list[str] = []
        consumer, _ = seeking(app, 3)

        async def begin(_: dict[int, int]) -> None:
            steps.append("begins")
            await asyncio.sleep(0.01)
            steps.append("has begun")

        vars(app)["begin_assignment"] = begin
        await asyncio.gather(consumer.perform_seek(), consumer.perform_seek())
        return steps

    assert asyncio.run(play()) == ["begins", "has begun"] * 2


def test_before_partitions_go_their_batch_ends_and_is_committed(app: EmotionApp) -> None:
    async def play() -> list[int | None]:
        committed: list[int | None] = []

        async def commit() -> None:
            committed.append(consumer._new_offset(RAW))

        consumer = consumer_of(app, commit=commit, _on_partitions_revoked=nothing_async)
        app.consumer_generation_id = 4
        consumer._coordinator = SimpleNamespace(generation=4)
        consumer._base[RAW] = 5
        app.progress.batch_began()
        leaving = asyncio.create_task(consumer.on_partitions_revoked({RAW}))
        await asyncio.sleep(0.05)
        assert committed == []
        consumer.acknowledge(RAW, 5, 8)
        app.progress.batch_ended()
        await leaving
        assert app.progress.dead_generation == 4
        consumer.acknowledge(RAW, 9, 9)
        assert list(consumer._filter_tps_with_pending_acks()) == []
        return committed

    assert asyncio.run(play()) == [9]


def test_a_worker_that_was_thrown_out_waits_for_no_batch(app: EmotionApp) -> None:
    async def play() -> int | None:
        consumer = consumer_of(app, commit=nothing_async, _on_partitions_revoked=nothing_async)
        app.consumer_generation_id = 4
        consumer._coordinator = SimpleNamespace(generation=-1)
        app.progress.batch_began()
        leaving = asyncio.create_task(consumer.on_partitions_revoked({RAW}))
        await asyncio.sleep(0.05)
        dead = app.progress.dead_generation
        app.progress.batch_ended()
        await leaving
        return dead

    assert asyncio.run(play()) == 4


def test_the_group_is_heard_while_it_answers_heartbeats(app: EmotionApp, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [time.monotonic()]
    monkeypatch.setattr("worker.consumer.time.monotonic", lambda: now[0])
    answers = iter([True, False])

    async def beat() -> bool:
        return next(answers)

    coordinator: Any = SimpleNamespace(generation=4, _do_heartbeat=beat)
    consumer = app.exact_consumer
    consumer.listen_to(coordinator)
    heard = []
    for _ in range(2):
        now[0] += HEARD_WITHIN_S
        heard.append(consumer.is_heard)
        asyncio.run(coordinator._do_heartbeat())
        heard.append(consumer.is_heard)
    assert heard == [False, True, False, False]
    assert consumer.group_generation == 4


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


def test_the_table_is_followed_without_a_second_of_waiting(app: EmotionApp) -> None:
    tables: Any = app.tables
    began: list[str] = []

    async def note(step: str) -> None:
        began.append(step)

    tables._update_channels = lambda: note("channels")
    tables.recovery.start = lambda: note("recovery")
    tables.sleep = pytest.fail
    asyncio.run(tables.on_start())
    assert began == ["channels", "recovery"]


def changelog_event(offset: int, row: dict[str, Any] | None) -> Any:
    message = SimpleNamespace(tp=CHANGELOG, partition=0, offset=offset, value=row)
    return SimpleNamespace(key=[KEY[0], list(KEY[1])], value=row, message=message)


@pytest.mark.parametrize("batches", [[[0, 1]], [[0], [1]]])
def test_a_late_write_of_a_worker_that_was_fenced_off_does_not_take_a_row_back(
    app: EmotionApp, batches: list[list[int]]
) -> None:
    events = [changelog_event(0, new_row() | {"o": 9, "done": 9}), changelog_event(1, new_row() | {"o": 5, "done": 5})]
    for batch in batches:
        app.counts_table.apply_changelog_batch([events[number] for number in batch])
    assert app.rows[KEY]["done"] == 9


def test_a_table_write_outside_of_the_stream_s_task_goes_to_the_partition_of_its_tweet(app: EmotionApp) -> None:
    sent = []

    def send_changelog(partition: int, key: Any, value: Any, **_: Any) -> Any:
        sent.append((partition, key, value))
        return SimpleNamespace(message=SimpleNamespace(partition=partition))

    vars(app.counts_table)["send_changelog"] = send_changelog
    vars(app.counts_table)["_verify_source_topic_partitions"] = lambda _: None

    class Event:
        message = SimpleNamespace(topic=RAW.topic, partition=0)

    event: Any = Event()
    with _as_current(event):
        app.counts_table[KEY] = new_row()
    assert sent == [(0, KEY, new_row())]


def test_a_changelog_record_that_cannot_be_written_crashes_the_worker(app: EmotionApp) -> None:
    error = OSError("the brokers are gone")

    async def play() -> None:
        sensors: Any = app.sensors
        sensors.on_send_error(None, error, defaultdict(lambda: None))
        await asyncio.sleep(0.01)

    asyncio.run(play())
    assert app.crash_reason is error


def test_an_agent_that_fails_is_not_restarted_silently_and_no_topic_is_made_on_the_way(app: EmotionApp) -> None:
    conf: Any = app.conf
    assert conf.agent_supervisor is mode.CrashingSupervisor
    assert (conf.topic_disable_leader, conf.topic_allow_declare) == (True, False)


def settled(app: EmotionApp) -> None:
    """The rebalance is over, the table recovered; offset 10 of partition 0 comes next."""
    tables: Any = app.tables
    tables.on_actives_ready()
    vars(app)["rebalancing"] = False
    app.progress.expected[0] = 10


@pytest.mark.parametrize(
    ("position", "listed", "holes", "rewound"),
    [
        (12, 0, (), [(RAW, 10)]),
        (10, 12, (), [(RAW, 10)]),
        (10, 10, (), []),
        (10, 0, (), []),
        (12, 12, (10, 11), []),
        (12, 12, (10,), [(RAW, 11)]),
    ],
)
def test_a_quiet_worker_reads_again_what_was_fetched_or_listed_and_never_came(
    app: EmotionApp, position: int, listed: int, holes: tuple[int, ...], rewound: list[tuple[TP, int]]
) -> None:
    sought: list[tuple[TP, int]] = []

    async def where(_: TP) -> int:
        return position

    async def rewind(tp: TP, offset: int) -> None:
        sought.append((tp, offset))

    def behind(offset: int) -> int:
        return next(n for n in count(offset) if n not in holes)

    consumer_of(app, position=where, seek=rewind, past_holes=lambda _: behind, _active_partitions=set())
    vars(app)["assigned_partitions"] = lambda: {0}
    settled(app)
    app.progress.moved_at -= QUIET_S
    asyncio.run(app.reread_dropped({0: listed}))
    assert sought == rewound
    assert app.progress.expected[0] == 10 + len(holes)


@pytest.mark.parametrize(("ends", "stuck"), [({0: 12}, True), ({0: 10}, False), ({}, False)])
def test_a_worker_is_stuck_where_nothing_moves_though_there_is_work(
    app: EmotionApp, ends: dict[int, int], stuck: bool
) -> None:
    health = Health(60.0, app, Follower(KAFKA, WORKER, 4))
    assert health.follower is not None
    health.follower.ends.update(ends)
    settled(app)
    assert not health.is_stuck()
    app.progress.moved_at -= 61
    health._last_idle_at -= 61
    assert health.is_stuck() is stuck


@pytest.mark.parametrize("what", ["rebalance", "tweet"])
def test_a_worker_that_had_nothing_to_do_for_long_is_not_stuck_when_something_comes(app: EmotionApp, what: str) -> None:
    health = Health(60.0, app, Follower(KAFKA, WORKER, 4))
    assert health.follower is not None
    health.follower.ends.update({0: 10})
    settled(app)
    app.progress.moved_at -= 3600
    assert not health.is_stuck()
    if what == "tweet":
        health.follower.ends.update({0: 11})
    else:
        vars(app)["rebalancing"] = True
    assert health.stuck_for_s() < 60
    health._last_idle_at -= 61
    assert health.is_stuck()


@pytest.fixture
def root_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.mark.usefixtures("root_logging")
def test_records_of_faust_that_nobody_reads_are_not_built() -> None:
    configure_logging(WORKER)
    for name in ("faust", "mode", "aiokafka"):
        assert not logging.getLogger(f"{name}.something").isEnabledFor(logging.INFO)


def test_what_was_acknowledged_before_a_seek_is_not_committed_after_it(app: EmotionApp) -> None:
    async def play() -> list[TP]:
        consumer, _ = seeking(app, 3)
        consumer._base[RAW] = 3
        consumer.acknowledge(RAW, 3, 8)
        await consumer.perform_seek()
        return list(consumer._filter_tps_with_pending_acks())

    assert asyncio.run(play()) == []


def test_the_group_was_heard_when_it_was_asked_not_when_the_answer_came(
    app: EmotionApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [time.monotonic()]
    monkeypatch.setattr("worker.consumer.time.monotonic", lambda: now[0])

    async def beat() -> bool:
        now[0] += HEARD_WITHIN_S
        return True

    coordinator: Any = SimpleNamespace(generation=4, _do_heartbeat=beat)
    app.exact_consumer.listen_to(coordinator)
    asyncio.run(coordinator._do_heartbeat())
    assert not app.exact_consumer.is_heard
