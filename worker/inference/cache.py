"""Repeated texts are answered once: a bounded cache of answers in front of one engine."""

import threading
from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from schemas.emotions import EMOTIONS
from worker.inference.engine import Engine, EngineAround

_LEAST_ENTRIES = 2
"""One in each half."""
_KEY_BYTES = 16


class CachedEngine(EngineAround):
    """An engine that scores each cleaned text once while it is among the last ones used.

    One instance holds the answers of one bundle; 65,536 take some 15 MB. Least recently used answers are forgotten, a
    generation at a time: what is used goes into the younger of two halves, and when that is full it becomes the older
    half, and the one before is dropped. So an answer is kept at least while fewer than half of ``max_entries`` other
    texts are used. A text that two threads ask for at the same moment is scored twice.

    Args:
        engine: what scores the texts that are not cached.
        max_entries: cached texts at most.

    Raises:
        ValueError: ``max_entries`` is less than 2.
    """

    def __init__(self, engine: Engine, max_entries: int) -> None:
        if max_entries < _LEAST_ENTRIES:
            raise ValueError(f"max_entries is {max_entries}; a cache holds at least {_LEAST_ENTRIES}")
        super().__init__(engine)
        self._half = max_entries // 2
        self._younger: dict[bytes, bytes] = {}
        self._older: dict[bytes, bytes] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._younger) + len(self._older)

    def predict_cleaned(self, cleaned: Sequence[str]) -> NDArray[np.float32]:
        """Cleaned texts to probabilities, float32 ``[n, 6]``; equal texts get identical rows."""
        keys = [_key(text) for text in cleaned]
        with self._lock:
            found = self._kept(keys)
        unseen = {key: text for key, text in zip(keys, cleaned, strict=True) if key not in found}
        if unseen:
            scored = self._engine.predict_cleaned(list(unseen.values()))
            found.update((key, row.tobytes()) for key, row in zip(unseen, scored, strict=True))
        with self._lock:
            for key, answer in found.items():
                self._keep(key, answer)
        rows = bytearray().join(found[key] for key in keys)
        return np.frombuffer(rows, np.float32).reshape(len(cleaned), len(EMOTIONS))

    def _kept(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        found = {}
        for key in keys:
            answer = self._younger.get(key) or self._older.get(key)
            if answer is not None:
                found[key] = answer
        return found

    def _keep(self, key: bytes, answer: bytes) -> None:
        if key not in self._younger and len(self._younger) == self._half:
            self._younger, self._older = {}, self._younger
        self._younger[key] = answer


def _key(text: str) -> bytes:
    """A digest of 128 bits in place of the text: it takes less memory, and two texts never share one in practice."""
    return blake2b(text.encode(), digest_size=_KEY_BYTES).digest()


def cached(engine: Engine, max_entries: int) -> Engine:
    """The engine behind a cache of so many answers; the engine itself where that is fewer than two."""
    return engine if max_entries < _LEAST_ENTRIES else CachedEngine(engine, max_entries)
