"""An agent without a broker: the real engine and the real progress, and lists of what it does."""

import threading
from collections.abc import Callable, Coroutine, Sequence
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from faust.types import TP

from worker.agent import ScoreAgent
from worker.gathering import Run
from worker.inference.engine import Engine
from worker.metrics import Metrics
from worker.progress import Progress
from worker.publisher import Record
from worker.records import RawRecord
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
                acknowledged=SimpleNamespace(add=lambda *run: self.acknowledged.append(run)),
                past_holes=lambda _: lambda offset: next(n for n in count(offset) if n not in self.holes),
                seek=self._rewind,
                membership=SimpleNamespace(generation=GENERATION, is_heard=True),
            ),
            deletions=SimpleNamespace(passed=self._passed),
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

    def _passed(self, tp: TP, offset: int, end: int) -> None:
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


Play = Callable[[Callable[[Edge], Coroutine[Any, Any, None]]], Edge]
"""Runs a scenario on an agent of its own."""
