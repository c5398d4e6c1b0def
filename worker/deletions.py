"""Tells of raw records that the topic's retention took away before they were labelled."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from faust.types import TP

from worker.metrics import Metrics

log = structlog.get_logger("worker")

_ANSWERED_WITHIN_S = 5.0


class Deletions:
    """Each loss is told once, in the log and as a metric."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._told: dict[TP, int] = {}
        """Partition -> the offset up to which losses were told."""
        self._passed: list[tuple[TP, int, int]] = []

    def note(self, tp: TP, offset: int, end: int) -> None:
        """Tell that the records from ``offset`` to ``end`` are gone."""
        offset = max(offset, self._told.get(tp, 0))
        tweets = end - offset
        if tweets > 1:  # a marker of a transaction alone takes one offset
            self._told[tp] = end
            self._metrics.deleted_unread(tweets)
            log.error(
                "the raw topic deleted tweets before they were labelled: they have no outcome",
                partition=tp.partition,
                offset=offset,
                tweets_at_most=tweets,
            )

    def passed(self, tp: TP, offset: int, end: int) -> None:
        """Remember a hole that was passed; `look` finds out whether records stood there."""
        if end > offset:
            self._passed.append((tp, offset, end))

    async def look(self, earliest_offsets: Callable[..., Awaitable[Mapping[TP, int]]]) -> None:
        """Of the holes that were passed tell those which lie before the first record that is kept.

        Raises:
            Exception: the brokers did not answer; the holes are kept for the next look.
        """
        if not self._passed:
            return
        holes, self._passed = self._passed, []
        try:
            firsts = await asyncio.wait_for(earliest_offsets(*{tp for tp, _, _ in holes}), _ANSWERED_WITHIN_S)
        except Exception:
            self._passed[:0] = holes
            raise
        for tp, offset, end in holes:
            self.note(tp, offset, min(firsts[tp], end))
