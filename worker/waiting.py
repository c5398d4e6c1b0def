"""For how long the records of a partition have waited, as seen by somebody who asks for its end now and then."""

from collections import deque

_MOST_ENDS = 256


class Waiting:
    """Remembers when a partition was first seen to reach its ends.

    What stood there at the first look came before it: for how long it has waited by then nobody knows.

    Args:
        now_s: as all moments here, seconds of a clock that goes on steadily.
    """

    def __init__(self, now_s: float) -> None:
        self._ends: deque[tuple[int, float]] = deque()
        self._first = self._last = 0
        self._looked = False
        self._not_before_s = now_s
        self._apart_s = 0.0

    def reached(self, end: int, now_s: float) -> None:
        """Note that the partition ends at the offset ``end``."""
        if not self._looked:
            self._first, self._looked = end, True
        if end <= self._last or (self._ends and now_s - self._ends[-1][1] < self._apart_s):
            return
        self._last = end
        self._ends.append((end, now_s))
        if len(self._ends) > _MOST_ENDS:  # an hour is then known to half a minute
            self._apart_s = 2 * (now_s - self._ends[0][1]) / _MOST_ENDS
            self._ends = deque(entry for number, entry in enumerate(self._ends) if number % 2 == 0)

    def since_s(self, following: int, now_s: float) -> float:
        """For how many seconds, at most, the record at the offset ``following`` has waited."""
        while self._ends and self._ends[0][0] <= following:
            _, self._not_before_s = self._ends.popleft()
        return now_s - (self._ends[0][1] if self._ends else self._not_before_s)

    def nothing(self, now_s: float) -> None:
        """Note that nothing waits now."""
        self._ends.clear()
        self._not_before_s, self._apart_s = now_s, 0.0

    def came_before(self, following: int) -> bool:
        """Whether the record at the offset ``following`` stood there at the first look."""
        return following < self._first
