"""A candidate labels beside the bundle that serves: it is compared, and changes nothing."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.bundles import build_tiny_bundle
from worker.inference.engine import Engine, EngineAround, load_engine
from worker.metrics import Metrics
from worker.shadow import Shadow, Shadowed

TEXTS = ["so happy today", "what a sad day", "i am angry", "not afraid of love", "happy happy day"]


class Compared:
    """Takes what a shadow found, and lets a test wait for it."""

    def __init__(self) -> None:
        self.pairs: list[tuple[list[int], list[int]]] = []
        self.came = threading.Semaphore(0)

    def __call__(self, published: NDArray[np.intp], candidates: NDArray[np.intp]) -> None:
        self.pairs.append((published.tolist(), candidates.tolist()))
        self.came.release()


class Held(EngineAround):
    """An engine that waits until it is let go, or fails."""

    def __init__(self, engine: Engine, *, fails: bool = False) -> None:
        super().__init__(engine)
        self.let_go, self.asked, self._fails = threading.Event(), threading.Semaphore(0), fails

    def predict_cleaned(self, cleaned: Sequence[str]) -> NDArray[np.float32]:
        self.asked.release()
        if self._fails:
            raise RuntimeError("no kernel")
        assert self.let_go.wait(30)
        return super().predict_cleaned(cleaned)


@pytest.fixture(scope="module")
def engine(tiny_bundle: Path) -> Engine:
    return load_engine(tiny_bundle, threads=1)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return load_engine(build_tiny_bundle(tmp_path_factory.mktemp("other") / "tiny", seed=3), threads=1)


def test_both_labels_of_each_tweet_are_compared_and_the_answers_are_the_servings(engine: Engine, other: Engine) -> None:
    compared = Compared()
    shadowed = Shadowed(engine, Shadow(other, 1.0, compared))
    rows = shadowed.predict(TEXTS)
    assert compared.came.acquire(timeout=30)
    assert (rows == engine.predict(TEXTS)).all()
    assert compared.pairs == [(rows.argmax(axis=1).tolist(), other.predict(TEXTS).argmax(axis=1).tolist())]
    assert shadowed.manifest == engine.manifest


def test_only_the_share_asked_for_is_compared(engine: Engine, other: Engine) -> None:
    compared = Compared()
    shadowed = Shadowed(engine, Shadow(other, 0.25, compared))
    for number in range(1, 13):
        shadowed.predict([f"day {number}"])
        if number % 4 == 0:
            assert compared.came.acquire(timeout=30)
    assert len(compared.pairs) == 3


def test_the_stream_waits_for_no_candidate(engine: Engine, other: Engine) -> None:
    compared, held = Compared(), Held(other)
    shadowed = Shadowed(engine, Shadow(held, 1.0, compared))
    for _ in range(20):
        assert (shadowed.predict(TEXTS) == engine.predict(TEXTS)).all()
    held.let_go.set()
    assert compared.came.acquire(timeout=30)
    assert len(compared.pairs) == 1


def test_a_candidate_that_fails_touches_nothing_and_is_asked_again(engine: Engine, other: Engine) -> None:
    held: Any = Held(other, fails=True)
    shadow = Shadow(held, 1.0, Compared())
    shadowed = Shadowed(engine, shadow)
    for _ in range(3):
        assert (shadowed.predict(TEXTS) == engine.predict(TEXTS)).all()
        assert held.asked.acquire(timeout=30)
        with shadow._idle:
            pass


def test_metrics_tell_the_agreement_of_each_label() -> None:
    metrics = Metrics()
    metrics.compared(np.array([0, 0, 1, 5]), np.array([0, 1, 1, 0]))
    told = {
        (name, emotion): metrics.registry.get_sample_value(f"tweet_emotions_shadow_{name}_total", {"label": emotion})
        for name in ("compared", "agreed")
        for emotion in ("sadness", "joy", "surprise", "fear")
    }
    assert [told["compared", emotion] for emotion in ("sadness", "joy", "surprise", "fear")] == [2, 1, 1, 0]
    assert [told["agreed", emotion] for emotion in ("sadness", "joy", "surprise", "fear")] == [1, 1, 0, 0]
