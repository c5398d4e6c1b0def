"""The agent around a rebalance: what was scored for a partition that is gone is neither published nor counted."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from faust.types import TP

from worker.agent import ScoreAgent
from worker.errors import PublishFailed
from worker.gathering import Gathering, Run
from worker.inference.engine import Engine, load_engine
from worker.labelling import Rules
from worker.metrics import Metrics
from worker.progress import Progress
from worker.publisher import Record
from worker.records import Counted, RawRecord
from worker.settings import KafkaSettings, WorkerSettings

GENERATION = 7


class Event:
    """Of Faust's events only what the agent asks for."""

    def __init__(self, partition: int, generation: int) -> None:
        self.message = SimpleNamespace(tp=TP("raw", partition), generation_id=generation)


def run_of(*offsets: int, generation: int = GENERATION) -> Run:
    event: Any = Event(0, generation)
    return Run(event, [RawRecord("raw", 0, offset, None, b"so happy", (), 1_800_000_000.0) for offset in offsets])


class HeldEngine:
    """The real engine; whoever asks first waits until it is let go."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self.manifest = engine, engine.manifest
        self.asked, self.let_go = threading.Event(), threading.Event()

    def predict_cleaned(self, cleaned: Sequence[str]) -> Any:
        first = not self.asked.is_set()
        self.asked.set()
        assert not first or self.let_go.wait(30)
        return self._engine.predict_cleaned(cleaned)


class Edge:
    """App, consumer, table and publisher of one agent."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = HeldEngine(engine)
        self.published: list[Record] = []
        self.acknowledged: list[tuple[TP, int, int]] = []
        self.counted: dict[Any, Any] = {}
        self.holes: set[int] = set()
        self.rewound: list[tuple[TP, int]] = []
        self.passed: list[tuple[TP, int, int]] = []
        self.crashes: list[BaseException] = []
        self.app = SimpleNamespace(
            progress=Progress(),
            consumer_generation_id=GENERATION,
            is_flowing=True,
            exact_consumer=SimpleNamespace(
                acknowledge=lambda *run: self.acknowledged.append(run),
                past_holes=lambda _: lambda offset: next(n for n in count(offset) if n not in self.holes),
                seek=self._rewind,
                passed=self._passed,
                group_generation=GENERATION,
                is_heard=True,
            ),
            horizon=SimpleNamespace(oldest_s=lambda _: 0.0),
            rows=self.counted,
            counts_table=self.counted,
            crash=self._crash,
            should_stop=False,
        )
        publisher: Any = SimpleNamespace(publish=self._publish)
        app: Any = self.app
        held: Any = self.engine
        worker = WorkerSettings(data_dir=folder)
        self.agent = ScoreAgent(app, lambda: held, publisher, Metrics(), KafkaSettings(), worker)
        self.while_publishing: Callable[[], None] = lambda: None

    def _publish(self, records: list[Record]) -> None:
        self.published += records
        self.while_publishing()

    async def _rewind(self, tp: TP, offset: int) -> None:
        self.rewound.append((tp, offset))

    async def _passed(self, tp: TP, offset: int, end: int) -> None:
        if end > offset:
            self.passed.append((tp, offset, end))

    async def _crash(self, error: BaseException) -> None:
        self.crashes.append(error)

    def begin(self, offset: int = 5) -> None:
        self.app.progress.batch_began()
        self.agent._begin([run_of(offset)])

    async def end(self) -> None:
        self.engine.let_go.set()
        assert await self.app.progress.drained(30)
        assert await self.agent.close(30)
        assert self.crashes == []


@pytest.fixture
def play(tiny_bundle: Path, tmp_path: Path) -> Callable[[Callable[[Edge], Coroutine[Any, Any, None]]], Edge]:
    def run(scenario: Callable[[Edge], Coroutine[Any, Any, None]]) -> Edge:
        async def whole() -> Edge:
            edge = Edge(load_engine(tiny_bundle, threads=1), tmp_path)
            await scenario(edge)
            return edge

        return asyncio.run(whole())

    return run


Play = Callable[[Callable[[Edge], Coroutine[Any, Any, None]]], Edge]


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


def test_a_letter_goes_to_its_own_topic_and_an_event_has_the_id_of_its_tweet_as_key(play: Play) -> None:
    async def scenario(edge: Edge) -> None:
        event: Any = Event(0, GENERATION)
        values = (b'{"id": "7", "text": "so happy"}', b"")
        records = [RawRecord("raw", 0, 5 + n, b"k", value, (), 1_800_000_000.0) for n, value in enumerate(values)]
        edge.app.progress.batch_began()
        edge.agent._begin([Run(event, records)])
        await edge.end()

    edge = play(scenario)
    assert [(record.topic, record.key) for record in edge.published] == [
        ("tweets.emotion", b"7"),
        ("tweets.dead", b"k"),
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
    edge.app.exact_consumer.group_generation = -1


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
        edge.app.exact_consumer.is_heard = False
        edge.begin()
        edge.engine.let_go.set()
        assert not await edge.app.progress.drained(0.3)
        assert edge.published == []
        edge.app.exact_consumer.is_heard = happens == "heard"
        edge.app.should_stop = happens == "stops"
        if happens == "thrown out":
            thrown_out(edge)
        await edge.end()

    assert len(play(scenario).published) == published


def test_a_group_that_does_not_answer_stops_the_worker(play: Play) -> None:
    async def scenario(edge: Edge) -> None:
        edge.app.exact_consumer.is_heard = False
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
