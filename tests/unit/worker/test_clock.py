"""A step of the system clock: what time it is to the worker, and what it may throw away."""

import asyncio
from typing import Any

import pytest
from faust.types import TP

from tests.clocks import NOW_S, Clocks
from worker.app import EmotionApp
from worker.clock import BELIEVED_AFTER_S, SteadyClock
from worker.counts import bucket_of, count_outcomes, new_row
from worker.metrics import Metrics
from worker.records import Counted, Outcome
from worker.settings import KafkaSettings, WorkerSettings

DAY_S = 86_400.0
WORKER = WorkerSettings(retention_s=3600.0, bucket_s=10.0)


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


def test_only_the_owner_of_a_partition_takes_its_old_buckets_from_the_changelog() -> None:
    app, sent = app_with_rows(NOW_S, NOW_S - 3700, NOW_S)
    vars(app)["assigned_partitions"] = lambda: {1}
    expire(app)
    assert len(app.rows) == 1
    assert sent == []
