"""Offsets of source partitions that hold no record (compaction, transaction markers), as fetches show them."""

import sys
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from faust.types import TP
from intervaltree import IntervalTree


class Holes:
    """Learns where holes are: what fetches skip that follow each other without a seek.

    Faust believes that whatever did not reach its queues is a hole, a fetch that it dropped itself included; tweets
    would be committed over. `note` therefore listens where the fetcher moves on. It is called in the thread that
    fetches, all else on the event loop; the deque hands over from one to the other.
    """

    def __init__(self) -> None:
        self.seeks = 0
        """Counts the beginnings and the ends of seeks, so it is odd while one is under way (as in a seqlock)."""
        self._following: dict[TP, int] = {}
        """Partition -> the offset after the last one that the fetcher passed; unknown after a disturbed fetch."""
        self._noted: deque[tuple[TP, int, int]] = deque()
        self._intervals: defaultdict[TP, IntervalTree] = defaultdict(IntervalTree)

    def note(self, records: Mapping[TP, Sequence[Any]], reached: Mapping[TP, int], *, since: int) -> None:
        """Learn from one fetch.

        Args:
            records: what was fetched of each source partition.
            reached: where the fetcher stands after it, which may be behind a hole that follows the last record.
            since: `seeks` when the fetch began. If a position was sought meanwhile, nothing is learned.
        """
        if since != self.seeks or since % 2 == 1:
            for tp in records:
                self._following.pop(tp, None)
            return
        for tp, fetched in records.items():
            for record in fetched:
                self._pass(tp, record.offset)
                self._following[tp] = record.offset + 1
        for tp, position in reached.items():
            if position > self._following.get(tp, position):
                self._pass(tp, position)
                self._following[tp] = position

    def _pass(self, tp: TP, offset: int) -> None:
        """No record stands between what was passed last and ``offset``."""
        following = self._following.get(tp, offset)
        if offset > following:
            self._noted.append((tp, following, offset))

    @contextmanager
    def seeking(self, tp: TP, offset: int) -> Iterator[None]:
        """To be held during a seek; holes from ``offset`` on are learned anew."""
        self.seeks += 1
        self._following[tp] = offset
        try:
            yield
            self._known(tp).chop(offset, sys.maxsize)
        finally:
            self.seeks += 1

    def past(self, tp: TP) -> Callable[[int], int]:
        """A function from an offset to itself, or to the end of the holes that begin there."""
        intervals = self._known(tp)

        def past(offset: int) -> int:
            while found := intervals.at(offset):
                offset = max(interval.end for interval in found)
            return offset

        return past

    def forget(self, tp: TP, before: int = sys.maxsize) -> None:
        """Drop what is known of offsets lower than ``before``."""
        self._known(tp).chop(0, before)

    def _known(self, tp: TP) -> IntervalTree:
        while self._noted:
            place, first, end = self._noted.popleft()
            self._intervals[place].addi(first, end)
        return self._intervals[tp]
