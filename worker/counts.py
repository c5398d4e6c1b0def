"""Arithmetic of the counts: rows of time buckets, and rolling windows as sums of them. Pure."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict

from schemas.emotions import EMOTIONS
from worker.records import Counted, Outcome


class Row(TypedDict):
    """What one partition of the raw topic counted in one time bucket; JSON in the changelog, hence the short keys."""

    o: int
    """The highest source offset in this row."""
    done: int
    """The highest source offset counted in the partition when this row was written as its newest; -1: not yet."""
    n: list[int]
    """Tweets of each emotion, in the order of ``EMOTIONS``."""
    c: list[float]
    """Sums of their confidences."""
    a: int
    """How many of them abstained."""
    d: int
    """Dead letters."""
    t: NotRequired[str | None]
    """Id of the raw topic that ``done`` is an offset of, where it is known."""


RowKey = tuple[int, tuple[float, float]]
"""(source partition, (bucket start, bucket end)), the shape of Faust's windowed keys."""


def new_row() -> Row:
    """A row that has counted nothing."""
    return {"o": -1, "done": -1, "n": [0] * len(EMOTIONS), "c": [0.0] * len(EMOTIONS), "a": 0, "d": 0}


def bucket_of(event_time_s: float, bucket_s: float) -> tuple[float, float]:
    """Start and end of the tumbling bucket; it ends a tenth of a second early, as in Faust's ``TumblingWindow``."""
    start = event_time_s - event_time_s % bucket_s
    return start, start + bucket_s - 0.1


class Horizon:
    """How far back buckets are kept: ``retention_s`` behind the newest bucket of their partition, or behind the clock.

    The earlier of the two decides. So nothing expires because the clock is ahead of the stream (it is wrong, or there
    is a backlog), nor because of one tweet from the future (ADR 11).
    """

    def __init__(self, retention_s: float, clock: Callable[[], float]) -> None:
        self._retention_s, self._clock = retention_s, clock
        self._newest: dict[int, float] = {}

    def note(self, key: RowKey) -> None:
        """Learn that there is a row with this key."""
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

    Args:
        outcomes: of one batch.
        rows: the table.
        bucket_s: length of a bucket.
        oldest_s: as `Horizon.oldest_s`.
        topic_id: of the raw topic, where it is known.
    """
    changed: dict[RowKey, Row] = {}
    done = {outcome.partition: outcome.offset for outcome in outcomes}
    oldest = {partition: oldest_s(partition) for partition in done}
    for outcome in outcomes:
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
            changed[newest] = rows[newest]
    ordered = sorted(changed)
    newest_of = {key[0]: key for key in ordered}  # the last key of a partition stays
    for partition, newest in newest_of.items():
        changed[newest] = {**changed[newest], "done": done[partition], "t": topic_id}
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
