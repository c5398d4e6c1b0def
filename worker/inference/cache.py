"""Repeated texts are answered once: a bounded cache of answers in front of one engine."""

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.bundle import BundleManifest
from schemas.emotions import EMOTIONS
from worker.inference.cleaning import clean
from worker.inference.engine import Engine


class CachedEngine:
    """An engine that scores each cleaned text once while it is among the last ``max_entries`` used.

    One instance holds the answers of one bundle. A text that two threads ask for at the same moment is scored twice.

    Args:
        engine: what scores the texts that are not cached.
        max_entries: cached texts at most; the one unused for longest goes first.

    Raises:
        ValueError: ``max_entries`` is less than 1.
    """

    def __init__(self, engine: Engine, max_entries: int) -> None:
        if max_entries < 1:
            raise ValueError(f"max_entries is {max_entries}; a cache holds at least 1")
        self._engine = engine
        self._max_entries = max_entries
        self._answers: OrderedDict[str, bytes] = OrderedDict()  # a third of the memory of arrays
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def manifest(self) -> BundleManifest:
        """What the bundle says of itself."""
        return self._engine.manifest

    @property
    def precision(self) -> str:
        """The arithmetic that really runs."""
        return self._engine.precision

    def tokens(self, cleaned: str) -> list[str]:
        """What the model sees of a cleaned text."""
        return self._engine.tokens(cleaned)

    def predict(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Raw texts to probabilities, float32 ``[n, 6]``."""
        return self.predict_cleaned([clean(text) for text in texts])

    def predict_cleaned(self, cleaned: Sequence[str]) -> NDArray[np.float32]:
        """Cleaned texts to probabilities, float32 ``[n, 6]``; equal texts get identical rows."""
        with self._lock:
            found = {text: self._answers[text] for text in cleaned if text in self._answers}
        unseen = [text for text in dict.fromkeys(cleaned) if text not in found]
        if unseen:
            scored = self._engine.predict_cleaned(unseen)
            found.update((text, row.tobytes()) for text, row in zip(unseen, scored, strict=True))
        with self._lock:
            self.misses += len(unseen)
            self.hits += len(cleaned) - len(unseen)
            for text in cleaned:
                self._answers[text] = found[text]
                self._answers.move_to_end(text)
            while len(self._answers) > self._max_entries:
                self._answers.popitem(last=False)
        rows = bytearray().join(found[text] for text in cleaned)
        return np.frombuffer(rows, np.float32).reshape(len(cleaned), len(EMOTIONS))


def cached(engine: Engine, max_entries: int) -> Engine:
    """The engine behind a cache of so many answers; the engine itself where that is 0."""
    return CachedEngine(engine, max_entries) if max_entries else engine
