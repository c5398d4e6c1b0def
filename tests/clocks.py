"""Clocks that a test sets."""

NOW_S = 1_800_000_000.0


class Clocks:
    """The system clock and the one that nobody sets."""

    def __init__(self) -> None:
        self.wall_s, self.steady_s = NOW_S, 50.0

    def wall(self) -> float:
        return self.wall_s

    def steady(self) -> float:
        return self.steady_s

    def go_on(self, seconds: float, *, step_s: float = 0.0) -> None:
        self.steady_s += seconds
        self.wall_s += seconds + step_s
