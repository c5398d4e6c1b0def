"""``python -m tests.poisoned_worker``: a worker whose engine dies of, or thinks long about, a word."""

import ctypes
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.inference.engine import Engine, load_engine
from worker.service import run_worker
from worker.settings import KafkaSettings, WorkerSettings

WORD = "volcano"
SLOW_S = 9.0
"""Longer than a group waits for a heartbeat."""


class PoisonedEngine:
    """The real engine; a text with `WORD` ends the process (``exit``, ``abort`` or ``segfault``) or takes `SLOW_S`."""

    def __init__(self, engine: Engine, manner: str) -> None:
        self._engine, self._manner = engine, manner
        self.manifest, self.precision = engine.manifest, engine.precision

    def predict(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._engine.predict(texts)

    def predict_cleaned(self, cleaned: Sequence[str]) -> NDArray[np.float32]:
        if any(WORD in text for text in cleaned):
            match self._manner:
                case "exit":
                    os._exit(1)
                case "abort":
                    os.abort()
                case "slow":
                    time.sleep(SLOW_S)
                case _:
                    ctypes.string_at(0)
        return self._engine.predict_cleaned(cleaned)

    def tokens(self, cleaned: str) -> list[str]:
        return self._engine.tokens(cleaned)


def _load(*arguments: Any, **options: Any) -> Engine:
    return PoisonedEngine(load_engine(*arguments, **options), os.environ["POISON_MANNER"])


if __name__ == "__main__":
    sys.exit(run_worker(KafkaSettings(), WorkerSettings(), _load))
