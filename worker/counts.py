"""Arithmetic of the counts: rows of time buckets, and rolling windows as sums of them. Pure."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.emotions import EMOTIONS
from worker.records import Counted, Outcome

Row = dict[str, Any]
"""``{"o": highest offset in this row, "done": highest offset counted in the partition, "n": [6 counts],
"c": [6 confidence sums], "a": abstained, "d": dead letters, "t": id of the raw topic that ``done`` is an offset of, if
known}``; JSON in the changelog."""

RowKey = tuple[int, tuple[float, float]]
"""(source partition, (bucket start, bucket end)), the shape of Faust's windowed keys."""


def new_row() -> Row:
    """A row that has counted nothing."""
    return {"o": -1, "done": -1, "n": [0] * len(EMOTIONS), "c": [0.0] * len(EMOTIONS), "a": 0, "d": 0}


def bucket_of(event_time_s: float, bucket_s: float) -> tuple[float, float]:
    """Start and end of the tumbling bucket, as Faust's ``TumblingWindow`` builds its ranges."""
    start = event_time_s - event_time_s % bucket_s
    return start, start + bucket_s - 0.1


class Horizon:
    """How far back buckets are kept: ``retention_s`` behind the newest bucket of their partition.

    A clock that is ahead of the stream, because it is wrong or because there is a backlog, makes no bucket old; one
    tweet from the future neither (the clock is the upper bound).
    """

    def __init__(self, retention_s: float, clock: Callable[[], float]) -> None:
        self._retention_s, self._clock = retention_s, clock
        self._newest: dict[int, float] = {}

    def note(self, key: RowKey) -> None:
        """There is a row with this key."""
        partition, (_, end) = key
        self._newest[partition] = max(self._newest.get(partition, end), end)

    def oldest_s(self, partition: int) -> float:
        """A bucket of the partition that ended before this moment has expired."""
        return min(self._newest.get(partition, -math.inf), self._clock()) - self._retention_s

    def expired(self, keys: Iterable[RowKey]) -> list[RowKey]:
        """Those that have expired."""
        oldest_s = {partition: self.oldest_s(partition) for partition in self._newest}
        return [key for key in keys if key[1][1] < oldest_s.get(key[0], -math.inf)]


def is_newer(row: Row, other: Row | None) -> bool:
    """Whether ``row`` has seen at least as much of the partition as ``other``: rows only grow."""
    return other is None or (row["o"], row["done"]) >= (other["o"], other["done"])


def count_outcomes(
    outcomes: Sequence[Outcome],
    rows: Mapping[RowKey, Row],
    bucket_s: float,
    oldest_s: Callable[[int], float],
    topic_id: str | None = None,
) -> list[tuple[RowKey, Row]]:
    """The rows that a batch changes, in the order in which they must be written.

    Outcomes of a partition come in the order of their offsets. One that is not above its row's ``o`` was counted
    before. Of each partition only the newest bucket, which is written last, carries the new ``done``: a reader that
    sees it has seen the others, so reading from ``done + 1`` loses nothing even if the writer died between two rows;
    and it is the last of them to expire. Outcomes whose bucket ended before ``oldest_s`` of their partition have
    expired and are left out; where that leaves nothing of a partition, its newest row carries the new ``done``.
    """
    changed: dict[RowKey, Row] = {}
    done: dict[int, int] = {}
    oldest = {partition: oldest_s(partition) for partition in {outcome.partition for outcome in outcomes}}
    for outcome in outcomes:
        done[outcome.partition] = outcome.offset
        bucket = bucket_of(outcome.counted.event_time_s, bucket_s)
        if bucket[1] < oldest[outcome.partition]:
            continue
        key = (outcome.partition, bucket)
        row = changed.get(key) or rows.get(key) or new_row()
        if outcome.offset > row["o"]:
            changed[key] = _add(row, outcome.offset, outcome.counted)
    for partition in done.keys() - {key[0] for key in changed}:
        newest = max((key for key in rows if key[0] == partition), default=None)
        if newest is not None and done[partition] > rows[newest]["done"]:
            changed[newest] = dict(rows[newest])
    ordered = sorted(changed)
    for partition, newest in {key[0]: key for key in ordered}.items():
        changed[newest] |= {"done": done[partition], "t": topic_id}
    return [(key, changed[key]) for key in ordered]


def _add(row: Row, offset: int, counted: Counted) -> Row:
    n, c = list(row["n"]), list(row["c"])
    if counted.label is not None:
        n[counted.label] += 1
        c[counted.label] += counted.confidence
    return {
        **row,
        "o": offset,
        "n": n,
        "c": c,
        "a": row["a"] + counted.abstained,
        "d": row["d"] + (counted.label is None),
    }


def positions(rows: Mapping[RowKey, Row]) -> dict[int, int]:
    """For each partition in the table the offset to read next."""
    following: dict[int, int] = {}
    for (partition, _), row in rows.items():
        following[partition] = max(following.get(partition, 0), row["done"] + 1)
    return following


def topic_ids(rows: Mapping[RowKey, Row]) -> dict[int, str | None]:
    """For each partition in the table the id of the raw topic that its position is of, where the row says it."""
    newest: dict[int, Row] = {}
    for (partition, _), row in rows.items():
        if partition not in newest or row["done"] > newest[partition]["done"]:
            newest[partition] = row
    return {partition: row.get("t") for partition, row in newest.items()}


@dataclass(frozen=True, slots=True)
class WindowSum:
    """A rolling window's totals; lists are in the order of ``EMOTIONS``."""

    since_s: float
    window_s: float
    counts: list[int]
    confidence: list[float]
    abstained: int
    dead: int


def sum_window(rows: Mapping[RowKey, Row], as_of_s: float, window_s: float, bucket_s: float) -> WindowSum:
    """Sum the whole buckets of the window that ends with the bucket of ``as_of_s``; ``window_s`` is rounded up."""
    buckets = math.ceil(window_s / bucket_s)
    newest = as_of_s - as_of_s % bucket_s
    since_s = newest - (buckets - 1) * bucket_s
    inside = [row for (_, (start, _)), row in rows.items() if since_s <= start <= newest]
    return WindowSum(
        since_s,
        buckets * bucket_s,
        [sum(row["n"][i] for row in inside) for i in range(len(EMOTIONS))],
        [sum(row["c"][i] for row in inside) for i in range(len(EMOTIONS))],
        sum(row["a"] for row in inside),
        sum(row["d"] for row in inside),
    )
