"""A step of the system clock: what time it is to the worker, and what it may throw away."""

import asyncio
from concurrent.futures import Future
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from confluent_kafka import KafkaError, KafkaException
from faust.types import TP

from worker.app import EmotionApp
from worker.clock import BELIEVED_AFTER_S, SteadyClock
from worker.counts import bucket_of, count_outcomes, new_row
from worker.follower import Follower
from worker.metrics import Metrics
from worker.records import Counted, Outcome
from worker.settings import KafkaSettings, WorkerSettings
from worker.waiting import Waiting

NOW_S, DAY_S = 1_800_000_000.0, 86_400.0
WORKER = WorkerSettings(retention_s=3600.0, bucket_s=10.0, stale_after_s=15.0)


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


@pytest.mark.parametrize("step_s", [DAY_S, -DAY_S, 61.0, -61.0])
def test_time_goes_on_over_a_step_and_over_the_step_back(step_s: float) -> None:
    clocks = Clocks()
    now = SteadyClock(clocks.wall, clocks.steady)
    clocks.go_on(10, step_s=step_s)
    assert now() == NOW_S + 10
    clocks.go_on(10, step_s=-step_s)
    assert now() == NOW_S + 20


def test_small_corrections_are_followed_and_a_step_that_lasts_is_believed() -> None:
    clocks = Clocks()
    now = SteadyClock(clocks.wall, clocks.steady)
    clocks.go_on(1, step_s=-3.0)
    assert now() == clocks.wall_s
    clocks.go_on(1, step_s=DAY_S)
    assert now() == clocks.wall_s - DAY_S
    clocks.go_on(BELIEVED_AFTER_S)
    assert now() == clocks.wall_s


def app_with_rows(clock_s: float, *moments_s: float) -> tuple[EmotionApp, list[Any]]:
    """An app that owns partition 0 with a row at each moment, and the tombstones that it sends."""
    app = EmotionApp(KafkaSettings(), WORKER, 4, Metrics(), lambda: clock_s)
    sent: list[Any] = []
    vars(app)["assigned_partitions"] = lambda: {0}
    vars(app.counts_table)["send_changelog"] = lambda _, key, value, **__: sent.append((key, value))
    for moment_s in moments_s:
        key = (0, bucket_of(moment_s, WORKER.bucket_s))
        app.rows[key] = new_row()
        app.counts_table._maybe_set_key_ttl(key, 0)
    return app, sent


def expire(app: EmotionApp) -> None:
    asyncio.run(app.counts_table._del_old_keys())


def test_a_clock_that_is_a_day_ahead_expires_no_live_bucket() -> None:
    app, sent = app_with_rows(NOW_S + DAY_S, NOW_S - 3000, NOW_S)
    expire(app)
    assert len(app.rows) == 2
    assert sent == []


def test_a_tweet_from_the_future_expires_no_live_bucket() -> None:
    app, sent = app_with_rows(NOW_S, NOW_S - 3000, NOW_S, NOW_S + DAY_S)
    expire(app)
    assert len(app.rows) == 3
    assert sent == []


def test_an_old_bucket_leaves_the_table_and_with_a_tombstone_the_changelog() -> None:
    app, sent = app_with_rows(NOW_S, NOW_S - 3700, NOW_S)
    expire(app)
    assert [key[1][0] for key in app.rows] == [NOW_S]
    assert sent == [((0, bucket_of(NOW_S - 3700, 10.0)), None)]


def test_buckets_that_came_from_the_changelog_count_as_the_newest_too() -> None:
    app, _ = app_with_rows(NOW_S)
    key = (0, bucket_of(NOW_S, 10.0))
    event: Any = type("Event", (), {"key": key, "value": new_row(), "message": type("M", (), {"tp": TP("c", 0)})})
    app.counts_table.data.apply_changelog_batch = lambda *_, **__: None
    app.counts_table.apply_changelog_batch([event])
    assert app.horizon.oldest_s(0) == pytest.approx(NOW_S - WORKER.retention_s)


def test_a_backlog_is_counted_however_late_it_is_worked_on() -> None:
    app, _ = app_with_rows(NOW_S + DAY_S)
    outcome = Outcome(0, 0, Counted(NOW_S, 1, 0.5), None, b"")
    assert count_outcomes([outcome], app.rows, WORKER.bucket_s, app.horizon.oldest_s)


class Changelog:
    """One record as librdkafka gives it."""

    def __init__(self, partition: int, moment_s: float) -> None:
        self._partition = partition
        self._key = orjson.dumps((partition, bucket_of(moment_s, WORKER.bucket_s)))
        self._value = orjson.dumps(new_row() | {"o": 4, "done": 4, "n": [0, 2, 0, 0, 0, 0]})

    def partition(self) -> int:
        return self._partition

    def error(self) -> None:
        return None

    def key(self) -> bytes:
        return self._key

    def value(self) -> bytes:
        return self._value

    def offset(self) -> int:
        return 0


def note_ends(follower: Follower, *ends: int) -> None:
    follower._note_ends({**follower.ends, **dict(enumerate(ends))})


def test_a_follower_keeps_what_is_live_and_tells_the_age_of_a_part_whatever_the_clock_does() -> None:
    clocks = Clocks()
    follower = Follower(KafkaSettings(), WORKER, 2, SteadyClock(clocks.wall, clocks.steady), clocks.steady)
    record: Any = Changelog(0, NOW_S)
    follower._apply(record)
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
    follower = Follower(KafkaSettings(), WORKER, 1, SteadyClock(clocks.wall, clocks.steady), clocks.steady)
    record: Any = Changelog(0, NOW_S)
    follower._apply(record)
    note_ends(follower, 5)
    clocks.go_on(DAY_S)
    assert follower.progress()[0].late_s == 0
    note_ends(follower, 6)
    clocks.go_on(3)
    assert (follower.progress()[0].late_s, follower.progress()[0].stale) == (3, False)


def test_a_part_that_is_counted_all_the_time_is_as_late_as_what_waits() -> None:
    clocks = Clocks()
    follower = Follower(KafkaSettings(), WORKER, 1, SteadyClock(clocks.wall, clocks.steady), clocks.steady)
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


def test_what_has_waited_for_hours_costs_little_memory() -> None:
    waiting = Waiting(0.0)
    for moment in range(10_000):
        waiting.reached(moment + 1, float(moment))
    assert len(waiting._ends) <= 256
    assert waiting.since_s(0, 10_000.0) == 10_000
    assert 4_850 < waiting.since_s(5_000, 10_000.0) <= 5_000


def test_after_a_long_backlog_what_waits_a_moment_is_not_late() -> None:
    waiting = Waiting(0.0)
    for moment in range(3_600):
        waiting.reached(moment + 1, float(moment))
    late_s = []
    for moment in range(3_600, 4_200):
        waiting.reached(moment + 1, float(moment))
        late_s.append(waiting.since_s(moment, float(moment)))
    assert max(late_s) < 60, "lag 0 was never seen"


def test_a_window_whose_buckets_have_expired_is_not_complete_and_foreign_records_are_passed_over() -> None:
    clocks = Clocks()
    follower = Follower(KafkaSettings(), WORKER, 1, SteadyClock(clocks.wall, clocks.steady), clocks.steady)
    record, foreign = Changelog(0, NOW_S), Changelog(0, NOW_S)
    foreign._key = b"no row of ours"
    for message in (foreign, record):
        follower._apply(cast("Any", message))
    note_ends(follower, 5)
    follower._unread.clear()
    assert follower.window(60).complete
    assert not follower.window(60, datetime.fromtimestamp(NOW_S - DAY_S, UTC)).complete
    with pytest.raises(ValueError, match="still to come"):
        follower.window(60, datetime.fromtimestamp(NOW_S + DAY_S, UTC))


def test_a_tombstone_takes_a_row_out_of_the_counts() -> None:
    clocks = Clocks()
    follower = Follower(KafkaSettings(), WORKER, 1, SteadyClock(clocks.wall, clocks.steady), clocks.steady)
    record = Changelog(0, NOW_S)
    follower._apply(cast("Any", record))
    assert follower.window(60).total == 2
    vars(record)["_value"] = None
    follower._apply(cast("Any", record))
    assert follower.window(60).total == 0


def test_only_the_owner_of_a_partition_takes_its_old_buckets_from_the_changelog() -> None:
    app, sent = app_with_rows(NOW_S, NOW_S - 3700, NOW_S)
    vars(app)["assigned_partitions"] = lambda: {1}
    expire(app)
    assert len(app.rows) == 1
    assert sent == []


def follower_of_one_part() -> tuple[Follower, Changelog]:
    clocks = Clocks()
    follower = Follower(KafkaSettings(), WORKER, 1, SteadyClock(clocks.wall, clocks.steady), clocks.steady)
    record = Changelog(0, NOW_S)
    follower._apply(cast("Any", record))
    follower._unread.clear()
    return follower, record


def test_a_window_is_not_complete_while_the_end_of_a_part_is_unknown() -> None:
    follower, _ = follower_of_one_part()
    assert (follower.progress()[0].lag_messages, follower.window(60).complete) == (None, False)


def test_a_part_that_was_counted_beyond_the_end_as_last_seen_lags_behind_nothing() -> None:
    follower, _ = follower_of_one_part()
    follower._ends.update({0: 3})
    assert (follower.progress()[0].lag_messages, follower.window(60).complete) == (0, True)


def test_a_late_row_of_a_worker_that_was_fenced_off_takes_no_count_back() -> None:
    follower, record = follower_of_one_part()
    vars(record)["_value"] = orjson.dumps(new_row() | {"o": 3, "done": 3, "n": [0, 1, 0, 0, 0, 0]})
    follower._apply(cast("Any", record))
    assert (follower.window(60).total, follower.progress()[0].counted_offset) == (2, 4)


def test_an_end_that_cannot_be_read_any_more_is_forgotten() -> None:
    follower, _ = follower_of_one_part()
    follower._ends.update({0: 5})

    unknown: Future[Any] = Future()
    unknown.set_exception(KafkaException(KafkaError(KafkaError._TRANSPORT)))
    admin = SimpleNamespace(list_offsets=lambda places, **_: dict.fromkeys(places, unknown))
    follower._note_ends(follower._ask_for_ends(cast("Any", admin)))
    assert not follower.window(60).complete
