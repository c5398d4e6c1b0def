"""The mended consumer on Faust's own objects, not connected: what it does when partitions come, are sought and go."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from faust.tables.recovery import RebalanceAgain
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from structlog.testing import capture_logs

from tests.apps import CHANGELOG, KEY, RAW, consumer_of, nothing_async
from worker.app import EmotionApp
from worker.consumer import ExactConsumer
from worker.counts import new_row
from worker.membership import HEARD_WITHIN_S


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


def seeking(app: EmotionApp, committed: int, first: int = 0) -> tuple[ExactConsumer, list[tuple[TP, int]]]:
    sought: list[tuple[TP, int]] = []

    async def earliest_offsets(*tps: TP) -> dict[TP, int]:
        return dict.fromkeys(tps, first)

    async def seek_to_committed() -> dict[TP, int]:
        return {RAW: committed}

    async def seek(tp: TP, offset: int) -> None:
        sought.append((tp, offset))

    vars(app)["begin_assignment"] = nothing_async
    instead = {"seek_to_committed": seek_to_committed, "earliest_offsets": earliest_offsets, "seek": seek}
    consumer = consumer_of(app, assignment=lambda: {RAW, CHANGELOG}, **instead)
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


def test_tweets_that_the_topic_deleted_before_they_were_labelled_are_told(app: EmotionApp) -> None:
    async def play() -> list[tuple[TP, int]]:
        app.rows[KEY] = new_row() | {"o": 9, "done": 9}
        consumer, sought = seeking(app, 3, first=25)
        await consumer.perform_seek()
        sought.clear()
        await consumer.perform_seek()  # at the next rebalance it is the same loss
        return sought

    with capture_logs() as said:
        assert asyncio.run(play()) == [(RAW, 25)]
    (line,) = [line for line in said if line["log_level"] == "error"]
    assert (line["partition"], line["offset"], line["tweets_at_most"]) == (0, 10, 15)


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


def test_a_batch_in_flight_is_waited_for_before_positions_are_sought(app: EmotionApp) -> None:
    async def play() -> tuple[bool, bool]:
        consumer, sought = seeking(app, 3)
        app.progress.batch_began()
        task = asyncio.create_task(consumer.perform_seek())
        await asyncio.sleep(0.05)
        before = bool(sought)
        app.progress.batch_ended()
        await task
        return before, bool(sought)

    assert asyncio.run(play()) == (False, True)


def test_what_is_done_from_where_a_seek_went_is_committed(app: EmotionApp) -> None:
    async def play() -> int | None:
        consumer, _ = seeking(app, 3)
        await consumer.perform_seek()
        consumer.acknowledged.add(RAW, 3, 8)
        return consumer._new_offset(RAW)

    assert asyncio.run(play()) == 9


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


def test_what_was_acknowledged_before_a_seek_is_not_committed_after_it(app: EmotionApp) -> None:
    async def play() -> list[TP]:
        consumer, _ = seeking(app, 3)
        consumer.acknowledged.begin(RAW, 3)
        consumer.acknowledged.add(RAW, 3, 8)
        await consumer.perform_seek()
        return list(consumer._filter_tps_with_pending_acks())

    assert asyncio.run(play()) == []


def test_before_partitions_go_their_batch_ends_and_is_committed(app: EmotionApp) -> None:
    async def play() -> list[int | None]:
        committed: list[int | None] = []

        async def commit() -> None:
            committed.append(consumer._new_offset(RAW))

        consumer = consumer_of(app, commit=commit, _on_partitions_revoked=nothing_async)
        app.consumer_generation_id = 4
        consumer.membership._coordinator = SimpleNamespace(generation=4)
        consumer.acknowledged.begin(RAW, 5)
        app.progress.batch_began()
        leaving = asyncio.create_task(consumer.on_partitions_revoked({RAW}))
        await asyncio.sleep(0.05)
        assert committed == []
        consumer.acknowledged.add(RAW, 5, 8)
        app.progress.batch_ended()
        await leaving
        assert app.progress.dead_generation == 4
        consumer.acknowledged.add(RAW, 9, 9)
        assert list(consumer._filter_tps_with_pending_acks()) == []
        return committed

    assert asyncio.run(play()) == [9]


async def dead_while_a_batch_is_waited_for(app: EmotionApp, generation: int) -> int | None:
    """The generation that is dead while partitions of generation 4 are about to go."""
    consumer = consumer_of(app, commit=nothing_async, _on_partitions_revoked=nothing_async)
    app.consumer_generation_id = 4
    consumer.membership._coordinator = SimpleNamespace(generation=generation)
    app.progress.batch_began()
    leaving = asyncio.create_task(consumer.on_partitions_revoked({RAW}))
    await asyncio.sleep(0.05)
    dead = app.progress.dead_generation
    app.progress.batch_ended()
    await leaving
    return dead


def test_a_worker_that_was_thrown_out_waits_for_no_batch(app: EmotionApp) -> None:
    assert asyncio.run(dead_while_a_batch_is_waited_for(app, generation=-1)) == 4


def test_a_batch_that_is_waited_for_may_still_be_published(app: EmotionApp) -> None:
    assert asyncio.run(dead_while_a_batch_is_waited_for(app, generation=4)) is None


def test_after_a_rebalance_no_generation_is_dead(app: EmotionApp) -> None:
    app.progress.dead_generation = 4
    app.on_rebalance_end()
    assert app.progress.dead_generation is None


def test_a_group_that_was_heard_lately_cannot_have_ended_the_session(app: EmotionApp) -> None:
    conf: Any = app.conf
    assert conf.broker_heartbeat_interval < HEARD_WITHIN_S <= conf.broker_session_timeout / 2


def test_the_group_is_heard_while_it_answers_heartbeats(app: EmotionApp, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [time.monotonic()]
    monkeypatch.setattr("worker.membership.boot_s", lambda: now[0])
    answers = iter([True, False])

    async def beat() -> bool:
        return next(answers)

    coordinator: Any = SimpleNamespace(generation=4, _do_heartbeat=beat)
    consumer = app.exact_consumer
    consumer.membership.listen_to(coordinator)
    heard = []
    for _ in range(2):
        now[0] += HEARD_WITHIN_S
        heard.append(consumer.membership.is_heard)
        asyncio.run(coordinator._do_heartbeat())
        heard.append(consumer.membership.is_heard)
    assert heard == [False, True, False, False]
    assert consumer.membership.generation == 4


def test_the_group_was_heard_when_it_was_asked_not_when_the_answer_came(
    app: EmotionApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [time.monotonic()]
    monkeypatch.setattr("worker.membership.boot_s", lambda: now[0])

    async def beat() -> bool:
        now[0] += HEARD_WITHIN_S
        return True

    coordinator: Any = SimpleNamespace(generation=4, _do_heartbeat=beat)
    app.exact_consumer.membership.listen_to(coordinator)
    asyncio.run(coordinator._do_heartbeat())
    assert not app.exact_consumer.membership.is_heard


def test_a_rebalance_that_begins_during_a_seek_is_not_taken_for_ended(app: EmotionApp) -> None:
    """Else its guards are off during the seek of its own assignment, and thousands of events are repeated."""

    async def play() -> None:
        consumer, _ = seeking(app, 3)

        async def next_begins(_: dict[int, int]) -> None:
            app.on_rebalance_start()

        vars(app)["begin_assignment"] = next_begins
        with pytest.raises(RebalanceAgain):
            await consumer.perform_seek()
        with pytest.raises(RebalanceAgain):
            await consumer.perform_seek()
        app.on_rebalance_end()
        assert app.rebalancing
        consumer._on_partitions_assigned = nothing_async
        await consumer.on_partitions_assigned({RAW})
        vars(app)["begin_assignment"] = nothing_async
        await consumer.perform_seek()
        app.on_rebalance_end()
        assert not app.rebalancing

    asyncio.run(play())
