"""The agent around a rebalance: what was scored for a partition that is gone is neither published nor counted."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from faust.types import TP

from tests.agents import GENERATION, Edge, Event, Play, run_of
from worker.agent import _BATCHES_IN_FLIGHT, ScoreAgent
from worker.errors import PublishFailed
from worker.gathering import Gathering, Run
from worker.inference.engine import load_engine
from worker.labelling import Rules
from worker.metrics import Metrics
from worker.progress import Progress
from worker.records import Counted, RawRecord
from worker.settings import KafkaSettings, WorkerSettings


@pytest.fixture
def play(tiny_bundle: Path, tmp_path: Path) -> Callable[[Callable[[Edge], Coroutine[Any, Any, None]]], Edge]:
    def run(scenario: Callable[[Edge], Coroutine[Any, Any, None]]) -> Edge:
        async def whole() -> Edge:
            edge = Edge(load_engine(tiny_bundle, threads=1), tmp_path)
            await scenario(edge)
            return edge

        return asyncio.run(whole())

    return run


def test_a_batch_is_published_counted_and_acknowledged(play: Play) -> None:
    async def scenario(edge: Edge) -> None:
        edge.begin()
        await edge.end()

    edge = play(scenario)
    assert [(record.topic, record.partition) for record in edge.published] == [("tweets.emotion", 0)]
    assert edge.acknowledged == [(TP("raw", 0), 5, 5)]
    assert [row["done"] for row in edge.counted.values()] == [5]


def test_what_stands_on_the_topics_is_counted_and_acknowledged_but_not_published_again(play: Play) -> None:
    async def scenario(edge: Edge) -> None:
        edge.app.progress.published = {(0, 5): Counted(1_800_000_000.0, 1, 0.5)}
        edge.begin()
        await edge.end()

    edge = play(scenario)
    assert edge.published == []
    assert edge.acknowledged == [(TP("raw", 0), 5, 5)]
    assert [row["n"] for row in edge.counted.values()] == [[0, 1, 0, 0, 0, 0]]
    assert edge.app.progress.published == {}


def test_a_batch_is_published_under_the_lock_that_a_seek_waits_for(play: Play) -> None:
    locked: list[bool] = []

    async def scenario(edge: Edge) -> None:
        edge.while_publishing = lambda: locked.append(edge.app.progress.publishing.locked())
        edge.begin()
        await edge.end()

    play(scenario)
    assert locked == [True]


def test_a_letter_goes_to_its_own_topic_and_an_event_has_the_id_of_its_tweet_as_key(play: Play) -> None:
    """Each to the partition of its tweet."""

    async def scenario(edge: Edge) -> None:
        event: Any = Event(1, GENERATION)
        values = (b'{"id": "7", "text": "so happy"}', b"")
        records = [RawRecord("raw", 1, 5 + n, b"k", value, (), 1_800_000_000.0) for n, value in enumerate(values)]
        edge.app.progress.batch_began()
        edge.agent._begin([Run(event, records)])
        await edge.end()

    edge = play(scenario)
    assert [(record.topic, record.partition, record.key) for record in edge.published] == [
        ("tweets.emotion", 1, b"7"),
        ("tweets.dead", 1, b"k"),
    ]
    assert [(sum(row["n"]), row["d"]) for row in edge.counted.values()] == [(1, 1)]


def test_the_settings_decide_what_an_event_looks_like(tmp_path: Path) -> None:
    anything = cast("Any", SimpleNamespace(progress=Progress()))
    told = {"event_time": "created_at", "include_text": True, "abstain_threshold": 0.9, "max_text_chars": 10}
    for settings, rules in (
        (told | {"languages": "en, de"}, Rules(**told, languages=frozenset({"en", "de"}))),  # type: ignore[arg-type]
        ({}, Rules()),
    ):
        worker = WorkerSettings(data_dir=tmp_path, **settings)  # type: ignore[arg-type]
        agent = ScoreAgent(anything, anything, anything, Metrics(), KafkaSettings(), worker)
        assert agent._rules == rules
        assert asyncio.run(agent.close(30))


def test_batches_end_in_their_order_though_a_later_one_is_scored_first(play: Play) -> None:
    async def scenario(edge: Edge) -> None:
        edge.begin(5)
        await asyncio.to_thread(edge.engine.asked.wait, 30)
        edge.begin(6)
        assert not await edge.app.progress.drained(0.3)
        assert edge.published == []
        await edge.end()

    edge = play(scenario)
    assert edge.acknowledged == [(TP("raw", 0), 5, 5), (TP("raw", 0), 6, 6)]
    assert [orjson.loads(record.value or b"")["source"]["offset"] for record in edge.published] == [5, 6]


def revoked(edge: Edge) -> None:
    edge.app.progress.dead_generation = GENERATION


def assigned_anew(edge: Edge) -> None:
    edge.app.consumer_generation_id = GENERATION + 1


def thrown_out(edge: Edge) -> None:
    edge.app.exact_consumer.membership.generation = -1


@pytest.mark.parametrize("rebalance", [revoked, assigned_anew, thrown_out])
def test_what_was_scored_while_the_partition_went_is_not_published(
    play: Play, rebalance: Callable[[Edge], None]
) -> None:
    async def scenario(edge: Edge) -> None:
        edge.begin()
        await asyncio.to_thread(edge.engine.asked.wait, 30)
        rebalance(edge)
        await edge.end()

    edge = play(scenario)
    assert (edge.published, edge.acknowledged, edge.counted) == ([], [], {})


def test_what_was_being_published_while_the_partition_went_is_left_to_the_next_owner_to_count(play: Play) -> None:
    async def scenario(edge: Edge) -> None:
        edge.while_publishing = lambda: revoked(edge)
        edge.begin()
        await edge.end()

    edge = play(scenario)
    assert len(edge.published) == 1
    assert (edge.acknowledged, edge.counted) == ([], {})


@pytest.mark.parametrize(("happens", "published"), [("heard", 1), ("thrown out", 0), ("stops", 0)])
def test_a_worker_that_stood_still_asks_the_group_before_it_publishes(play: Play, happens: str, published: int) -> None:
    async def scenario(edge: Edge) -> None:
        edge.app.exact_consumer.membership.is_heard = False
        edge.begin()
        edge.engine.let_go.set()
        assert not await edge.app.progress.drained(0.3)
        assert edge.published == []
        edge.app.exact_consumer.membership.is_heard = happens == "heard"
        edge.app.should_stop = happens == "stops"
        if happens == "thrown out":
            thrown_out(edge)
        await edge.end()

    assert len(play(scenario).published) == published


def test_a_group_that_does_not_answer_stops_the_worker(play: Play) -> None:
    async def scenario(edge: Edge) -> None:
        edge.app.exact_consumer.membership.is_heard = False
        edge.agent._worker = WorkerSettings(delivery_timeout_s=0.1)
        edge.begin()
        edge.engine.let_go.set()
        assert await edge.app.progress.drained(30)

    edge = play(scenario)
    assert [type(error) for error in edge.crashes] == [PublishFailed]
    assert edge.published == []


@pytest.mark.parametrize(
    ("run", "holes", "kept", "rewound"),
    [
        (run_of(5, 6, 7), set(), [5, 6, 7], []),
        (run_of(3, 4, 5, 6), set(), [5, 6], []),
        (run_of(5, 7), {6}, [5, 7], []),
        (run_of(5, 7, 8), set(), [5], [(TP("raw", 0), 6)]),
        (run_of(9, 10), set(), [], [(TP("raw", 0), 5)]),
        (run_of(5, 6, generation=GENERATION - 1), set(), [], []),
    ],
)
def test_only_what_continues_the_partition_is_taken_and_a_gap_is_read_again(
    play: Play, run: Run, holes: set[int], kept: list[int], rewound: list[tuple[TP, int]]
) -> None:
    async def scenario(edge: Edge) -> None:
        edge.holes = holes
        edge.app.progress.expected[0] = 5
        taken.extend(await edge.agent._in_sequence([run]))

    taken: list[Run] = []
    edge = play(scenario)
    assert [record.offset for one in taken for record in one.records] == kept
    assert edge.rewound == rewound
    assert edge.passed == [(TP("raw", 0), hole, hole + 1) for hole in holes]


def test_what_waits_while_the_flow_stops_is_left_out(play: Play) -> None:
    async def scenario(edge: Edge) -> None:
        edge.app.is_flowing = False
        taken.extend(await edge.agent._in_sequence([run_of(5)]))

    taken: list[Run] = []
    play(scenario)
    assert taken == []


def test_batches_that_are_left_out_hold_up_no_later_one(play: Play) -> None:
    async def scenario(edge: Edge) -> None:
        edge.app.is_flowing = False
        edge.agent._gathering = Gathering(1, 0.0, room=1)
        working = asyncio.create_task(edge.agent._work())
        async with asyncio.timeout(5):
            for offset in range(20):
                await edge.agent._gathering.put(run_of(offset))
        working.cancel()
        assert await edge.app.progress.drained(5)

    play(scenario)


def test_more_batches_than_may_be_in_flight_follow_each_other_though_none_is_full(play: Play) -> None:
    async def scenario(edge: Edge) -> None:
        ended: asyncio.Queue[tuple[TP, int, int]] = asyncio.Queue()
        edge.app.exact_consumer.acknowledged.add = lambda *run: ended.put_nowait(run)
        edge.engine.let_go.set()
        working = asyncio.create_task(edge.agent._work())
        async with asyncio.timeout(30):
            for offset in range(2 * _BATCHES_IN_FLIGHT):
                await edge.agent._gathering.put(run_of(offset))
                assert await ended.get() == (TP("raw", 0), offset, offset)
        working.cancel()
        await edge.end()

    assert len(play(scenario).published) == 2 * _BATCHES_IN_FLIGHT


def test_a_partition_that_cannot_be_read_again_stops_the_worker(play: Play) -> None:
    error = OSError("the brokers are gone")

    async def fails(*_: object) -> None:
        raise error

    async def scenario(edge: Edge) -> None:
        edge.app.exact_consumer.seek = fails
        edge.app.progress.expected[0] = 5
        await edge.agent._gathering.put(run_of(9))
        with pytest.raises(OSError, match="gone"):
            await asyncio.wait_for(edge.agent._work(), 30)

    assert play(scenario).crashes == [error]
