"""What a view answers: the counts of all partitions, how late they are, and whether they are complete."""

from datetime import UTC, datetime

import pytest

from tests.clocks import NOW_S, Clocks
from worker.clock import SteadyClock
from worker.counts import bucket_of, new_row
from worker.settings import WorkerSettings
from worker.view import CountsView, Look

DAY_S = 86_400.0
WORKER = WorkerSettings(retention_s=3600.0, bucket_s=10.0, stale_after_s=15.0)
KEY = (0, bucket_of(NOW_S, WORKER.bucket_s))
TWO_JOYS = new_row() | {"o": 4, "done": 4, "n": [0, 2, 0, 0, 0, 0]}
"""Five records of the partition are counted, two of them in this row."""


def view_of(partitions: int, clocks: Clocks | None = None) -> CountsView:
    clocks = clocks or Clocks()
    return CountsView(WORKER, partitions, SteadyClock(clocks.wall, clocks.steady), clocks.steady)


def note_ends(view: CountsView, *ends: int) -> None:
    """``ends`` of the first partitions; the others stay as they were."""
    view.note_ends({**view.ends, **dict(enumerate(ends))})


def caught_up_view() -> CountsView:
    """One partition, of which all that the changelog holds was read."""
    view = view_of(1)
    view.apply(KEY, TWO_JOYS)
    view.read_to_its_end(0)
    return view


def test_a_view_keeps_what_is_live_and_tells_the_age_of_a_part_whatever_the_clock_does() -> None:
    clocks = Clocks()
    view = view_of(2, clocks)
    view.apply(KEY, TWO_JOYS)
    note_ends(view, 5, 0)
    note_ends(view, 9)
    for step_s, late_s, stale in ((DAY_S, 5, False), (-2 * DAY_S, 10, False), (0.0, 15, False), (0.0, 20, True)):
        clocks.go_on(5, step_s=step_s)
        view.expire()
        assert [(part.late_s, part.stale, part.lag_messages) for part in view.progress()] == [
            (late_s, stale, 4),
            (0, False, 0),
        ]
        answer = view.window(60)
        assert (answer.total, answer.late_s, answer.complete) == (2, late_s, False)


def test_a_quiet_part_is_as_late_as_it_lags_not_as_it_is_quiet() -> None:
    clocks = Clocks()
    view = view_of(1, clocks)
    view.apply(KEY, TWO_JOYS)
    note_ends(view, 5)
    clocks.go_on(DAY_S)
    assert view.progress()[0].late_s == 0
    note_ends(view, 6)
    clocks.go_on(3)
    assert (view.progress()[0].late_s, view.progress()[0].stale) == (3, False)


def test_a_part_that_is_counted_all_the_time_is_as_late_as_what_waits() -> None:
    clocks = Clocks()
    view = view_of(1, clocks)
    view.read_to_its_end(0)
    note_ends(view, 100)
    found = []
    for following, end in ((0, 100), (99, 150), (100, 200), (140, 200), (160, 200), (200, 200)):
        view.apply(KEY, new_row() | {"o": following - 1, "done": following - 1})
        note_ends(view, end)
        answer = view.window(60)
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


def test_a_backlog_that_is_over_makes_no_later_part_look_late_though_nobody_asked_meanwhile() -> None:
    clocks = Clocks()
    view = view_of(1, clocks)
    for end in range(1, 601):  # so many that not each is remembered
        note_ends(view, end)
        clocks.go_on(1)
    view.apply(KEY, new_row() | {"o": 599, "done": 599})
    assert view.unexplained() == {}
    for end in (601, 602):
        note_ends(view, end)
        clocks.go_on(1)
    view.apply(KEY, new_row() | {"o": 600, "done": 600})
    assert (view.progress()[0].lag_messages, view.progress()[0].late_s) == (1, 1)


def test_a_window_whose_buckets_have_expired_is_not_complete() -> None:
    view = caught_up_view()
    note_ends(view, 5)
    assert view.window(60).complete
    assert not view.window(60, datetime.fromtimestamp(NOW_S - DAY_S, UTC)).complete
    with pytest.raises(ValueError, match="still to come"):
        view.window(60, datetime.fromtimestamp(NOW_S + DAY_S, UTC))


@pytest.mark.parametrize(("ended_s", "complete"), [(0, True), (3575, True), (3585, False), (3700, False)])
def test_a_window_of_which_only_the_oldest_bucket_has_expired_is_not_complete(ended_s: float, complete: bool) -> None:
    view = caught_up_view()
    note_ends(view, 5)
    as_of_s = NOW_S + WORKER.bucket_s / 2 - ended_s
    assert view.window(60, datetime.fromtimestamp(as_of_s, UTC)).complete is complete


def test_a_tombstone_takes_a_row_out_of_the_counts() -> None:
    view = caught_up_view()
    assert view.window(60).total == 2
    view.apply(KEY, None)
    assert view.window(60).total == 0


def test_a_window_is_not_complete_while_the_end_of_a_part_is_unknown() -> None:
    view = caught_up_view()
    assert (view.progress()[0].lag_messages, view.window(60).complete) == (None, False)


def test_a_part_that_was_counted_beyond_the_end_as_last_seen_lags_behind_nothing() -> None:
    view = caught_up_view()
    note_ends(view, 3)
    assert (view.progress()[0].lag_messages, view.window(60).complete) == (0, True)


def test_a_late_row_of_a_worker_that_was_fenced_off_takes_no_count_back() -> None:
    view = caught_up_view()
    view.apply(KEY, new_row() | {"o": 3, "done": 3, "n": [0, 1, 0, 0, 0, 0]})
    assert (view.window(60).total, view.progress()[0].counted_offset) == (2, 4)


def test_an_end_that_cannot_be_read_any_more_is_forgotten() -> None:
    view = caught_up_view()
    note_ends(view, 5)
    assert view.window(60).complete
    view.note_ends({})
    assert not view.window(60).complete


@pytest.mark.parametrize(("looked", "lag"), [(Look(0, 5), 0), (Look(0, None), 5), (Look(0, 4), 5), (Look(1, 5), 5)])
def test_offsets_at_which_no_record_stands_are_no_lag_until_the_part_ends_elsewhere(looked: Look, lag: int) -> None:
    view = view_of(1)
    note_ends(view, 5)
    view.note_look(0, looked)
    assert view.progress()[0].lag_messages == lag


def test_a_record_that_waits_is_no_proof_that_the_end_is_reached_while_the_end_is_unknown() -> None:
    view = view_of(1)
    view.note_look(0, Look(0, None))
    assert view.progress()[0].lag_messages is None


def test_a_look_is_wanted_where_a_part_lags_for_long_and_nobody_looked_there_yet() -> None:
    clocks = Clocks()
    view = view_of(3, clocks)
    view.apply(KEY, TWO_JOYS)
    note_ends(view, 5, 0)
    note_ends(view, 7, 0)
    assert view.unexplained() == {}
    clocks.go_on(3)
    assert view.unexplained() == {0: (5, 7)}
    for empty_to, then in ((None, {}), (6, {0: (5, 7)}), (7, {})):
        view.note_look(0, Look(5, empty_to))
        assert view.unexplained() == then
