"""A candidate that labels a share of the live stream beside the bundle that serves; its labels are only compared."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import structlog
from numpy.typing import NDArray

from worker.inference.engine import Engine, EngineAround

log = structlog.get_logger("worker.shadow")

_Compared = Callable[[NDArray[np.intp], NDArray[np.intp]], None]


class Shadow:
    """Asks the candidate on a thread of its own; what comes while it is busy is not compared.

    Args:
        candidate: the engine that is tried.
        share: of the batches that are compared, 0 to 1.
        compared: called with the indices of the labels that were published and of the candidate's.
    """

    def __init__(self, candidate: Engine, share: float, compared: _Compared) -> None:
        self._candidate, self._share, self._compared = candidate, share, compared
        self._due = 0.0
        self._idle = threading.Semaphore(1)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="shadow")

    def offer(self, cleaned: Sequence[str], published: NDArray[np.float32]) -> None:
        """Compare these answers, if it is their turn and the candidate is idle. Returns at once."""
        if not self._idle.acquire(blocking=False):
            return
        self._due += self._share
        if self._due < 1:
            self._idle.release()
            return
        self._due -= 1
        self._thread.submit(self._compare, list(cleaned), published.argmax(axis=1))

    def _compare(self, cleaned: list[str], published: NDArray[np.intp]) -> None:
        try:
            self._compared(published, self._candidate.predict_cleaned(cleaned).argmax(axis=1))
        except Exception as error:  # noqa: BLE001 - a candidate that fails must not touch the stream
            log.warning("the candidate failed", tweets=len(cleaned), reason=repr(error))
        finally:
            self._idle.release()


class Shadowed(EngineAround):
    """An engine whose answers are offered to a shadow."""

    def __init__(self, engine: Engine, shadow: Shadow) -> None:
        super().__init__(engine)
        self._shadow = shadow

    def predict_cleaned(self, cleaned: Sequence[str]) -> NDArray[np.float32]:
        """Cleaned texts to probabilities, float32 ``[n, 6]``."""
        rows = self._engine.predict_cleaned(cleaned)
        self._shadow.offer(cleaned, rows)
        return rows
