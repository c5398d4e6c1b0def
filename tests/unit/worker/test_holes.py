"""What counts as a hole: only what fetches that follow each other skip."""

from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from worker.holes import Holes

RAW = TP("raw", 0)


def fetched(*offsets: int) -> dict[TP, list[Any]]:
    return {RAW: [SimpleNamespace(offset=offset) for offset in offsets]}


def offsets_of(holes: Holes) -> list[int]:
    return [offset for offset in range(15) if holes.past(RAW)(offset) > offset]


def test_what_is_skipped_within_a_fetch_and_between_two_is_a_hole() -> None:
    holes = Holes()
    holes.note(fetched(5, 6, 8), {}, since=holes.seeks)
    holes.note(fetched(11), {}, since=holes.seeks)
    assert offsets_of(holes) == [7, 9, 10]


def test_holes_that_follow_each_other_are_passed_together() -> None:
    holes = Holes()
    holes.note(fetched(5), {RAW: 7}, since=holes.seeks)
    holes.note({}, {RAW: 9}, since=holes.seeks)
    assert holes.past(RAW)(6) == 9


def test_a_fetch_during_a_seek_says_nothing_of_what_lies_between() -> None:
    holes = Holes()
    holes.note(fetched(5), {}, since=holes.seeks)
    before = holes.seeks
    with holes.seeking(TP("raw", 1), 0):
        holes.note(fetched(9), {}, since=before)
    holes.note(fetched(12), {}, since=holes.seeks)
    assert offsets_of(holes) == []


@pytest.mark.parametrize("begins", ["before the seek", "during the seek"])
@pytest.mark.parametrize("ends", ["during the seek", "after the seek"])
def test_a_fetch_is_disturbed_by_a_seek_that_it_meets_at_any_moment(begins: str, ends: str) -> None:
    holes = Holes()
    holes.note(fetched(5), {}, since=holes.seeks)
    since = holes.seeks
    with holes.seeking(TP("raw", 1), 0):
        if begins == "during the seek":
            since = holes.seeks
        if ends == "during the seek":
            holes.note(fetched(9), {RAW: 11}, since=since)
    if ends == "after the seek":
        holes.note(fetched(9), {RAW: 11}, since=since)
    assert offsets_of(holes) == []


def test_where_the_fetcher_went_on_without_a_record_is_a_hole_until_a_seek() -> None:
    holes = Holes()
    holes.note({}, {RAW: 5}, since=holes.seeks)
    assert offsets_of(holes) == []
    holes.note(fetched(5, 6), {RAW: 8}, since=holes.seeks)
    holes.note({}, {RAW: 9}, since=holes.seeks)
    assert offsets_of(holes) == [7, 8]
    with holes.seeking(RAW, 8):
        pass
    assert offsets_of(holes) == [7]


def test_after_a_seek_the_holes_are_learned_from_where_it_went() -> None:
    holes = Holes()
    with holes.seeking(RAW, 5):
        pass
    holes.note(fetched(8), {}, since=holes.seeks)
    assert offsets_of(holes) == [5, 6, 7]


def test_a_seek_that_fails_ends_all_the_same() -> None:
    holes = Holes()
    with pytest.raises(OSError, match="gone"), holes.seeking(RAW, 5):
        raise OSError("gone")
    holes.note(fetched(5, 7), {}, since=holes.seeks)
    assert offsets_of(holes) == [6]


def test_what_was_noted_before_a_partition_went_is_forgotten() -> None:
    holes = Holes()
    holes.note(fetched(5, 8), {}, since=holes.seeks)
    holes.forget(RAW)
    assert offsets_of(holes) == []
