"""The time of day, not misled by a system clock that is set to something else while the worker runs."""

import time
from collections.abc import Callable

import structlog

STEP_S = 60.0
"""Smaller corrections are followed at once."""
BELIEVED_AFTER_S = 900.0
"""A step that lasted so long was meant."""

log = structlog.get_logger("worker.clock")


def boot_s() -> float:
    """Seconds since boot, suspension included where the system tells it; never set (clock_gettime(2))."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class SteadyClock:
    """Seconds since the epoch. Where the system clock steps, time goes on as before until the step has lasted.

    Args:
        wall: the system clock.
        steady: seconds from any origin, never set.
    """

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = boot_s) -> None:
        self._wall, self._steady = wall, steady
        self._origin_s = wall() - steady()
        self._doubted_at: float | None = None

    def __call__(self) -> float:
        """Now."""
        wall_s, steady_s = self._wall(), self._steady()
        step_s = wall_s - steady_s - self._origin_s
        if abs(step_s) > STEP_S:
            if self._doubted_at is None:
                self._doubted_at = steady_s
                log.warning("the system clock stepped; time goes on as before", step_s=round(step_s))
            if steady_s - self._doubted_at < BELIEVED_AFTER_S:
                return self._origin_s + steady_s
            log.warning("the step of the system clock is believed now", step_s=round(step_s))
        self._doubted_at = None
        self._origin_s = wall_s - steady_s
        return wall_s
