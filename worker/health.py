"""Is the worker ready, is it alive? Decided from what it knows of itself; the watchdog acts on it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from worker.app import EmotionApp
from worker.view import CountsView

STUCK_EXIT_CODE = 70
_STOOD_STILL_S = 5.0
"""The watchdog looks every second: who did not look for so long stood still (SIGSTOP, a suspended machine)."""


@dataclass(slots=True)
class Health:
    """The parts are filled in as the worker starts; None means not there yet."""

    stuck_s: float
    app: EmotionApp | None = None
    view: CountsView | None = None
    engine_loaded: bool = False
    _last_idle_at: float = field(default_factory=time.monotonic, init=False)
    _looked_at: float = field(default_factory=time.monotonic, init=False)

    def missing(self) -> list[str]:
        """What still keeps the worker from being ready; empty when it is."""
        reasons = [] if self.engine_loaded else ["the bundle is not loaded"]
        if self.app is None or self.view is None:
            return [*reasons, "the brokers have not answered yet"]
        if self.app.rebalancing or not self.app.tables.actives_ready:
            reasons.append("partitions are being assigned and the table recovered")
        if not self.view.caught_up:
            reasons.append("the changelog has not been read to its end")
        return reasons

    def stuck_for_s(self) -> float:
        """Seconds without progress though there is work; 0 while positions move, or nothing lags or is in flight.

        They begin when the last look found nothing to do, however long nothing came before: the watchdog looks every
        second. While the whole process stood still nothing could move, so they begin anew after it.
        """
        now = time.monotonic()
        if now - self._looked_at > _STOOD_STILL_S:
            self._last_idle_at = now
        self._looked_at = now
        if self.app is None or self.view is None:
            return 0.0
        settled = not self.app.rebalancing and self.app.tables.actives_ready
        progress = self.app.progress
        if settled and progress.is_idle and _lag(progress.expected, self.view.ends) == 0:
            self._last_idle_at = now
            return 0.0
        return max(0.0, now - max(progress.moved_at, self._last_idle_at))

    def is_stuck(self) -> bool:
        """Whether a restart is due."""
        return self.stuck_for_s() > self.stuck_s


def _lag(expected: Mapping[int, int], ends: Mapping[int, int]) -> int:
    """Raw records of this worker's partitions that have not come yet."""
    return sum(max(0, ends.get(partition, offset) - offset) for partition, offset in expected.items())
