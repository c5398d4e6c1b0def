import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.progress import QUIET_S, REWIND_INTERVAL_S, Arrival, Progress
from worker.records import Counted


def nothing(offset: int) -> int:
    return offset


def test_only_what_continues_a_partition_is_next() -> None:
    progress = Progress()
    progress.start_from({0: 5}, {})
    places = [progress.arrival(0, offset, nothing) for offset in (5, 9, 4, 6, 6)]
    assert places == [Arrival.NEXT, Arrival.AHEAD, Arrival.SEEN, Arrival.NEXT, Arrival.SEEN]


@given(st.integers(0, 9), st.sets(st.integers(0, 20), min_size=1))
def test_a_run_continues_a_partition_where_each_of_its_records_is_next(expected: int, offsets: set[int]) -> None:
    run, one_by_one, at_once = sorted(offsets), Progress(), Progress()
    for progress in (one_by_one, at_once):
        progress.start_from({0: expected}, {})
    all_next = all(one_by_one.arrival(0, offset, nothing) is Arrival.NEXT for offset in run)
    assert at_once.continues(0, run[0], run[-1], len(run)) == all_next
    assert at_once.expected == ({0: run[-1] + 1} if all_next else {0: expected})


def test_a_hole_that_the_fetcher_saw_is_no_gap() -> None:
    progress = Progress()
    progress.start_from({0: 5}, {})
    assert progress.arrival(0, 9, lambda _: 9) is Arrival.NEXT
    assert progress.expected == {0: 10}


def test_a_partition_is_read_again_at_once_but_not_for_every_record_behind_the_gap() -> None:
    progress = Progress()
    progress.start_from({0: 5}, {})
    assert [progress.may_rewind(0) for _ in range(3)] == [True, False, False]


def test_a_partition_that_stands_still_is_read_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    progress, now_s = Progress(), [100.0]
    progress.start_from({0: 5}, {})
    monkeypatch.setattr("worker.progress.time.monotonic", lambda: now_s[0])
    asked = []
    for later_s in (0.0, REWIND_INTERVAL_S - 1, 1.0, 1.0):
        now_s[0] += later_s
        asked.append(progress.may_rewind(0))
    assert asked == [True, False, True, False]


async def drained_with_a_batch_in_flight() -> tuple[bool, bool]:
    progress = Progress()
    progress.batch_began()
    before = await progress.drained(0.01)
    progress.batch_ended()
    return before, await progress.drained(0.01)


def test_a_new_assignment_knows_only_what_its_own_look_found() -> None:
    progress = Progress()
    progress.start_from({0: 5}, {(0, 5): Counted(0.0, 1)})
    progress.start_from({1: 7}, {(1, 7): Counted(0.0, 2)})
    assert (progress.expected, progress.published) == ({1: 7}, {(1, 7): Counted(0.0, 2)})


def test_draining_waits_for_all_batches_in_flight() -> None:
    async def whole() -> list[bool]:
        progress, drained = Progress(), []
        progress.batch_began()
        progress.batch_began()
        for _ in range(2):
            progress.batch_ended()
            drained.append(await progress.drained(0.01))
        return drained

    assert asyncio.run(whole()) == [False, True]


def test_a_partition_that_came_further_may_be_read_again_at_once() -> None:
    progress = Progress()
    progress.start_from({0: 5}, {})
    assert progress.may_rewind(0)
    progress.expected[0] = 6
    assert progress.may_rewind(0)


def test_draining_waits_for_the_batch_in_flight_but_not_for_ever() -> None:
    assert asyncio.run(drained_with_a_batch_in_flight()) == (False, True)


def test_each_partition_waits_for_its_own_next_reading() -> None:
    progress = Progress()
    progress.start_from({0: 5, 1: 7}, {})
    assert [progress.may_rewind(partition) for partition in (0, 1, 0, 1)] == [True, True, False, False]


def test_a_worker_with_a_batch_in_flight_is_not_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    progress = Progress()
    assert not progress.is_quiet()
    now = time.monotonic()
    monkeypatch.setattr("worker.progress.time.monotonic", lambda: now + QUIET_S + 1)
    assert progress.is_quiet()
    progress.batch_began()
    assert not progress.is_quiet()


def test_a_batch_that_ended_is_progress_and_one_that_was_left_out_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    progress = Progress()
    before, later = progress.moved_at, progress.moved_at + 100
    monkeypatch.setattr("worker.progress.time.monotonic", lambda: later)
    progress.batch_began()
    progress.batch_left_out()
    assert progress.moved_at == before
    progress.batch_began()
    progress.batch_ended()
    assert progress.moved_at == later
