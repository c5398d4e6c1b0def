import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from worker.inference.cache import CachedEngine, cached
from worker.inference.engine import Engine, EngineAround, load_engine

TEXTS = [f"{mood} {what}" for mood in ("so happy", "sad", "I am angry") for what in ("day", "love", "not this")]


class CountingEngine(EngineAround):
    """Notes what it is asked."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.asked: list[str] = []

    def predict_cleaned(self, cleaned: Sequence[str]) -> NDArray[np.float32]:
        self.asked.extend(cleaned)
        return super().predict_cleaned(cleaned)


@pytest.fixture(scope="module")
def engine(tiny_bundle: Path) -> Engine:
    return load_engine(tiny_bundle, threads=1)


@pytest.mark.parametrize("entries", [2, 5, 100])
def test_answers_are_the_same_with_and_without_a_cache(engine: Engine, entries: int) -> None:
    behind, choose = CachedEngine(engine, entries), random.Random(5)
    for _ in range(20):
        batch = choose.choices(TEXTS, k=choose.randint(0, 12))
        np.testing.assert_allclose(behind.predict(batch), engine.predict(batch), atol=1e-5)
        assert len(behind) <= entries


def test_a_repeated_text_is_scored_once_and_gets_the_identical_row(engine: Engine) -> None:
    counting = CountingEngine(engine)
    behind = CachedEngine(counting, 10)
    first = behind.predict_cleaned(["so happy", "sad", "so happy"])
    second = behind.predict_cleaned(["sad", "so happy"])
    assert counting.asked == ["so happy", "sad"]
    np.testing.assert_array_equal(first[[1, 2]], second)


def test_several_threads_get_the_answers_of_one(engine: Engine) -> None:
    behind, wanted = CachedEngine(engine, 4), engine.predict_cleaned(TEXTS)

    def ask(seed: int) -> None:
        choose = random.Random(seed)
        for _ in range(200):
            chosen = choose.choices(range(len(TEXTS)), k=choose.randint(1, 6))
            given = behind.predict_cleaned([TEXTS[number] for number in chosen])
            np.testing.assert_allclose(given, wanted[chosen], atol=1e-5)

    with ThreadPoolExecutor(4) as threads:
        for asked in [threads.submit(ask, seed) for seed in range(4)]:
            asked.result(60)
    assert len(behind) <= 4


def test_a_caller_cannot_spoil_what_is_kept(engine: Engine) -> None:
    behind = CachedEngine(engine, 10)
    rows = behind.predict_cleaned(["sad"])
    kept = rows.copy()
    rows[:] = 0
    np.testing.assert_array_equal(behind.predict_cleaned(["sad"]), kept)


def test_what_is_used_again_stays_and_the_others_go(engine: Engine) -> None:
    counting = CountingEngine(engine)
    behind = CachedEngine(counting, 4)
    for text in ("so", "sad", "love", "so", "day", "angry", "so", "sad"):
        behind.predict_cleaned([text])
    assert counting.asked == ["so", "sad", "love", "day", "angry", "sad"]


def test_a_text_that_fails_is_asked_again(engine: Engine) -> None:
    class Failing(CountingEngine):
        def predict_cleaned(self, cleaned: Sequence[str]) -> NDArray[np.float32]:
            super().predict_cleaned(cleaned)
            raise RuntimeError

    counting = Failing(engine)
    behind = CachedEngine(counting, 2)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            behind.predict_cleaned(["sad"])
    assert counting.asked == ["sad", "sad"]


def test_no_entries_means_no_cache(engine: Engine) -> None:
    assert cached(engine, 0) is cached(engine, 1) is engine
    with pytest.raises(ValueError, match="at least 2"):
        CachedEngine(engine, 1)
