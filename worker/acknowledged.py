"""What may be committed: runs of records whose outcome is published and counted."""

from collections import deque
from collections.abc import Callable

from faust.types import TP


class Acknowledged:
    """Acknowledged runs of each source partition, and up to where they follow each other without a gap."""

    def __init__(self) -> None:
        self._following: dict[TP, int] = {}
        """Partition -> the offset to commit next, at first the one where reading began."""
        self._runs: dict[TP, deque[tuple[int, int]]] = {}
        """First and last offset of runs that are not committed yet, in the order in which they came."""

    @property
    def pending(self) -> list[TP]:
        """Partitions with runs that are not committed yet."""
        return [tp for tp, runs in self._runs.items() if runs]

    def begin(self, tp: TP, offset: int) -> None:
        """Reading begins at ``offset``; what was acknowledged before is forgotten."""
        self._following[tp], self._runs[tp] = offset, deque()

    def forget(self, tp: TP) -> None:
        """The partition is somebody else's."""
        self._following.pop(tp, None)
        self._runs.pop(tp, None)

    def add(self, tp: TP, first: int, last: int) -> None:
        """Every record from ``first`` to ``last`` is acknowledged; runs come in order, those of others are ignored."""
        if tp in self._runs:
            self._runs[tp].append((first, last))

    def advance(self, tp: TP, past: Callable[[int], int]) -> int | None:
        """The offset to commit, or None if it is the one of before.

        Args:
            tp: a partition.
            past: from an offset to itself, or to the end of the hole that begins there (`Holes.past`).
        """
        if tp not in self._following:
            return None
        runs, before = self._runs[tp], self._following[tp]
        following = past(before)
        while runs and runs[0][0] <= following:
            following = past(max(following, runs.popleft()[1] + 1))
        self._following[tp] = following
        return following if following != before else None
