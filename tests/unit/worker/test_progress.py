import asyncio

import pytest

from worker.errors import TweetsSkipped
from worker.progress import Progress
from worker.web import parse_window


def test_a_gap_in_the_offsets_stops_the_worker() -> None:
    progress = Progress()
    progress.start_from({0: 5}, {})
    progress.expect(0, 5, may_skip=False)
    with pytest.raises(TweetsSkipped, match="offsets 6 to 8"):
        progress.expect(0, 9, may_skip=False)


def test_a_hole_that_the_fetcher_saw_is_no_gap() -> None:
    progress = Progress()
    progress.start_from({0: 5}, {})
    progress.expect(0, 9, may_skip=True)
    assert progress.expected == {0: 10}


async def drained_with_a_batch_in_flight() -> tuple[bool, bool]:
    progress = Progress()
    progress.batch_began()
    before = await progress.drained(0.01)
    progress.batch_ended()
    return before, await progress.drained(0.01)


def test_draining_waits_for_the_batch_in_flight_but_not_for_ever() -> None:
    assert asyncio.run(drained_with_a_batch_in_flight()) == (False, True)


@pytest.mark.parametrize(("text", "seconds"), [("60s", 60), ("5m", 300), ("1h", 3600), ("90", 90), ("0.5m", 30)])
def test_windows_are_read_with_their_units(text: str, seconds: float) -> None:
    assert parse_window(text, 3600) == seconds


@pytest.mark.parametrize("text", ["", "5 minutes", "-5m", "0s", "2h", "5d", "1e9h", "٣m", "nan"])
def test_a_window_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="window"):
        parse_window(text, 3600)
