"""The app on Faust's own objects, not connected: failures end it, and what was dropped is read again."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from itertools import count
from typing import Any

import mode
import pytest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from tests.apps import KEY, RAW, consumer_of, settle
from worker.app import EmotionApp
from worker.consumer import ExactConsumer
from worker.counts import new_row
from worker.membership import HEARD_WITHIN_S
from worker.progress import QUIET_S


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


def dropped(app: EmotionApp, position: int, holes: tuple[int, ...] = ()) -> tuple[ExactConsumer, list[Any], list[Any]]:
    """A worker of partition 0 that waits for offset 10; what it seeks, and the holes that it passes."""
    sought: list[tuple[TP, int]] = []
    told: list[tuple[TP, int, int]] = []

    def passed(*hole: Any) -> None:
        told.append(hole)

    async def where(_: TP) -> int:
        return position

    async def rewind(tp: TP, offset: int) -> None:
        sought.append((tp, offset))

    def behind(offset: int) -> int:
        return next(n for n in count(offset) if n not in holes)

    instead = {"position": where, "seek": rewind, "past_holes": lambda _: behind}
    consumer = consumer_of(app, **instead, _active_partitions=set())
    vars(app)["assigned_partitions"] = lambda: {0}
    vars(app.deletions)["passed"] = passed
    app.progress.moved_at -= QUIET_S
    return consumer, sought, told


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
    consumer, sought, told = dropped(app, position, holes)
    settle(app)
    asyncio.run(app.reread_dropped({0: listed}))
    assert sought == rewound
    assert consumer._get_active_partitions() == ({RAW} if rewound else set())
    assert app.progress.expected[0] == 10 + len(holes)
    assert told == [(RAW, 10, 10 + len(holes))]


@pytest.mark.parametrize("what", ["rebalance", "recovery", "batch", "progress"])
def test_while_anything_goes_on_nothing_is_read_again(app: EmotionApp, what: str) -> None:
    _, sought, _ = dropped(app, 12)
    if what == "recovery":
        app.progress.expected[0] = 10
    else:
        settle(app)
    vars(app)["rebalancing"] = what == "rebalance"
    if what == "batch":
        app.progress.batch_began()
    if what == "progress":
        app.progress.moved()
    asyncio.run(app.reread_dropped({}))
    assert sought == []


@pytest.mark.parametrize("lacking", ["nothing", "the partition", "the group", "the table", "the end of a rebalance"])
def test_only_who_owns_a_partition_and_is_heard_writes_its_row_again(app: EmotionApp, lacking: str) -> None:
    sent: list[Any] = []
    foreign = (1, KEY[1])
    app.rows[KEY] = app.rows[foreign] = new_row()
    vars(app)["assigned_partitions"] = lambda: {2} if lacking == "the partition" else {0}
    vars(app.counts_table)["send_changelog"] = lambda *row: sent.append(row)
    if lacking != "the table":
        settle(app)
    vars(app)["rebalancing"] = lacking == "the end of a rebalance"
    if lacking == "the group":
        app.exact_consumer.membership._heard_at -= HEARD_WITHIN_S
    overtaken = {KEY, foreign}
    app.write_again(overtaken)
    is_ours = lacking == "nothing"
    assert sent == ([(0, KEY, new_row())] if is_ours else [])
    assert overtaken == ({foreign} if is_ours else {KEY, foreign})


def test_nothing_is_committed_over_a_count_that_was_lost(app: EmotionApp, monkeypatch: pytest.MonkeyPatch) -> None:
    committed: list[int] = []

    async def commit(_: Any, offsets: Mapping[TP, int]) -> bool:
        committed.extend(offsets.values())
        return True

    async def play() -> list[bool]:
        sensors: Any = app.sensors
        before = await app.exact_consumer._commit({RAW: 1})
        sensors.on_send_error(None, OSError("refused"), defaultdict(lambda: None))
        return [before, await app.exact_consumer._commit({RAW: 2})]

    monkeypatch.setattr(driver.Consumer, "_commit", commit)
    assert asyncio.run(play()) == [True, False]
    assert committed == [1]


def test_a_count_is_written_where_all_replicas_have_it(app: EmotionApp) -> None:
    conf: Any = app.conf
    assert conf.producer_acks == -1


@pytest.mark.parametrize(
    ("active", "rebalancing", "flows"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_records_flow_neither_in_a_rebalance_nor_at_a_stop(
    app: EmotionApp, active: bool, rebalancing: bool, flows: bool
) -> None:
    consumer_of(app, flow_active=active)
    vars(app)["rebalancing"] = rebalancing
    assert app.is_flowing is flows
