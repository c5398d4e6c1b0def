"""``python -m tests.poisoned_worker``: a worker whose engine dies of, or thinks long about, a word."""

import ctypes
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.inference.engine import Engine, EngineAround, load_engine
from worker.service import run_worker
from worker.settings import KafkaSettings, WorkerSettings

WORD = "volcano"
SLOW_S = 9.0
"""Longer than a group waits for a heartbeat."""
FOR_EVER_S = 3600.0


class PoisonedEngine(EngineAround):
    """The real engine; a text with `WORD` ends the process (``segfault``), takes `SLOW_S`, or never ends (``hang``)."""

    def __init__(self, engine: Engine, manner: str) -> None:
        super().__init__(engine)
        self._manner = manner

    def predict_cleaned(self, cleaned: Sequence[str]) -> NDArray[np.float32]:
        if any(WORD in text for text in cleaned):
            match self._manner:
                case "slow":
                    time.sleep(SLOW_S)
                case "hang":
                    time.sleep(FOR_EVER_S)
                case _:
                    ctypes.string_at(0)
        return super().predict_cleaned(cleaned)


def _load(*arguments: Any, **options: Any) -> Engine:
    return PoisonedEngine(load_engine(*arguments, **options), os.environ["POISON_MANNER"])


if __name__ == "__main__":
    sys.exit(run_worker(KafkaSettings(), WorkerSettings(), _load))
