"""What a follower answers: the counts of all partitions, how late they are, and whether they are complete."""

from concurrent.futures import Future
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from confluent_kafka import KafkaError, KafkaException

from tests.clocks import NOW_S, Clocks
from worker.clock import SteadyClock
from worker.counts import Row, bucket_of, new_row
from worker.follower import Follower, Look
from worker.settings import KafkaSettings, WorkerSettings

DAY_S = 86_400.0
WORKER = WorkerSettings(retention_s=3600.0, bucket_s=10.0, stale_after_s=15.0)
KEY = orjson.dumps((0, bucket_of(NOW_S, WORKER.bucket_s)))
TWO_JOYS = new_row() | {"o": 4, "done": 4, "n": [0, 2, 0, 0, 0, 0]}
"""Five records of the partition are counted, two of them in this row."""


def follower_of(partitions: int, clocks: Clocks | None = None) -> Follower:
    clocks = clocks or Clocks()
    return Follower(KafkaSettings(), WORKER, partitions, SteadyClock(clocks.wall, clocks.steady), clocks.steady)


def apply(follower: Follower, row: Row | None, key: bytes = KEY) -> None:
    """Have the follower read one record of the changelog of partition 0."""
    record: Any = SimpleNamespace(
        partition=lambda: 0,
        offset=lambda: 0,
        error=lambda: None,
        key=lambda: key,
        value=lambda: None if row is None else orjson.dumps(row),
    )
    follower._apply(record)


def note_ends(follower: Follower, *ends: int) -> None:
    """``ends`` of the first partitions; the others stay as they were."""
    follower._note_ends({**follower.ends, **dict(enumerate(ends))})


def caught_up_follower() -> Follower:
    """One partition, of which all that the changelog holds was read."""
    follower = follower_of(1)
    apply(follower, TWO_JOYS)
    follower._unread.clear()
    return follower


def test_a_follower_keeps_what_is_live_and_tells_the_age_of_a_part_whatever_the_clock_does() -> None:
    clocks = Clocks()
    follower = follower_of(2, clocks)
    apply(follower, TWO_JOYS)
    note_ends(follower, 5, 0)
    note_ends(follower, 9)
    for step_s, late_s, stale in ((DAY_S, 5, False), (-2 * DAY_S, 10, False), (0.0, 15, False), (0.0, 20, True)):
        clocks.go_on(5, step_s=step_s)
        follower._expire()
        assert [(part.late_s, part.stale, part.lag_messages) for part in follower.progress()] == [
            (late_s, stale, 4),
            (0, False, 0),
        ]
        answer = follower.window(60)
        assert (answer.total, answer.late_s, answer.complete) == (2, late_s, False)


def test_a_quiet_part_is_as_late_as_it_lags_not_as_it_is_quiet() -> None:
    clocks = Clocks()
    follower = follower_of(1, clocks)
    apply(follower, TWO_JOYS)
    note_ends(follower, 5)
    clocks.go_on(DAY_S)
    assert follower.progress()[0].late_s == 0
    note_ends(follower, 6)
    clocks.go_on(3)
    assert (follower.progress()[0].late_s, follower.progress()[0].stale) == (3, False)


def test_a_part_that_is_counted_all_the_time_is_as_late_as_what_waits() -> None:
    clocks = Clocks()
    follower = follower_of(1, clocks)
    follower._unread.clear()
    note_ends(follower, 100)
    found = []
    for following, end in ((0, 100), (99, 150), (100, 200), (140, 200), (160, 200), (200, 200)):
        follower._following[0] = following
        note_ends(follower, end)
        answer = follower.window(60)
        found.append((answer.late_s, answer.partitions[0].stale, answer.complete))
        clocks.go_on(10)
    assert found == [
        (0, True, False),  # for how long these have waited already nobody knows
        (10, True, False),
        (10, False, True),
        (20, True, False),
        (20, True, False),
        (0, False, True),
    ]


def test_a_window_whose_buckets_have_expired_is_not_complete_and_foreign_records_are_passed_over() -> None:
    follower = caught_up_follower()
    apply(follower, TWO_JOYS, key=b"no row of ours")
    note_ends(follower, 5)
    assert follower.window(60).complete
    assert not follower.window(60, datetime.fromtimestamp(NOW_S - DAY_S, UTC)).complete
    with pytest.raises(ValueError, match="still to come"):
        follower.window(60, datetime.fromtimestamp(NOW_S + DAY_S, UTC))


@pytest.mark.parametrize(("ended_s", "complete"), [(0, True), (3575, True), (3585, False), (3700, False)])
def test_a_window_of_which_only_the_oldest_bucket_has_expired_is_not_complete(ended_s: float, complete: bool) -> None:
    follower = caught_up_follower()
    note_ends(follower, 5)
    as_of_s = NOW_S + WORKER.bucket_s / 2 - ended_s
    assert follower.window(60, datetime.fromtimestamp(as_of_s, UTC)).complete is complete


def test_a_tombstone_takes_a_row_out_of_the_counts() -> None:
    follower = caught_up_follower()
    assert follower.window(60).total == 2
    apply(follower, None)
    assert follower.window(60).total == 0


def test_a_window_is_not_complete_while_the_end_of_a_part_is_unknown() -> None:
    follower = caught_up_follower()
    assert (follower.progress()[0].lag_messages, follower.window(60).complete) == (None, False)


def test_a_part_that_was_counted_beyond_the_end_as_last_seen_lags_behind_nothing() -> None:
    follower = caught_up_follower()
    note_ends(follower, 3)
    assert (follower.progress()[0].lag_messages, follower.window(60).complete) == (0, True)


def test_a_late_row_of_a_worker_that_was_fenced_off_takes_no_count_back() -> None:
    follower = caught_up_follower()
    apply(follower, new_row() | {"o": 3, "done": 3, "n": [0, 1, 0, 0, 0, 0]})
    assert (follower.window(60).total, follower.progress()[0].counted_offset) == (2, 4)


def test_an_end_that_cannot_be_read_any_more_is_forgotten() -> None:
    follower = caught_up_follower()
    note_ends(follower, 5)
    assert follower.window(60).complete
    unknown: Future[Any] = Future()
    unknown.set_exception(KafkaException(KafkaError(KafkaError._TRANSPORT)))
    admin: Any = SimpleNamespace(list_offsets=lambda places, **_: dict.fromkeys(places, unknown))
    follower._note_ends(follower._ask_for_ends(admin))
    assert not follower.window(60).complete


@pytest.mark.parametrize(("looked", "lag"), [(Look(0, 5), 0), (Look(0, None), 5), (Look(0, 4), 5), (Look(1, 5), 5)])
def test_offsets_at_which_no_record_stands_are_no_lag_until_the_part_ends_elsewhere(looked: Look, lag: int) -> None:
    follower = follower_of(1)
    note_ends(follower, 5)
    follower._looked[0] = looked
    assert follower.progress()[0].lag_messages == lag


def test_a_record_that_waits_is_no_proof_that_the_end_is_reached_while_the_end_is_unknown() -> None:
    follower = follower_of(1)
    follower._looked[0] = Look(0, None)
    assert follower.progress()[0].lag_messages is None
