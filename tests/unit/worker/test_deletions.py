"""What retention took away before it was labelled is told, once; other holes are not."""

import asyncio

import pytest
from faust.types import TP
from structlog.testing import capture_logs

from tests.apps import RAW
from worker.deletions import Deletions
from worker.metrics import Metrics


@pytest.mark.parametrize(
    ("end", "first", "told"),
    [(9, 8, 3), (9, 20, 4), (9, 5, None), (6, 6, None)],
    ids=["in part", "whole", "never there", "a marker"],
)
def test_of_a_hole_that_was_passed_only_what_stood_there_is_told(end: int, first: int, told: int | None) -> None:
    async def earliest_offsets(*tps: TP) -> dict[TP, int]:
        return dict.fromkeys(tps, first)

    async def play() -> None:
        deletions = Deletions(Metrics())
        for _ in range(2):
            deletions.passed(RAW, 5, end)
            await deletions.look(earliest_offsets)

    with capture_logs() as said:
        asyncio.run(play())
    assert [line["tweets_at_most"] for line in said] == ([] if told is None else [told])


def test_a_hole_is_looked_at_again_when_the_brokers_did_not_answer() -> None:
    async def away(*_: TP) -> dict[TP, int]:
        raise TimeoutError

    async def back(*tps: TP) -> dict[TP, int]:
        return dict.fromkeys(tps, 9)

    async def play() -> None:
        deletions = Deletions(Metrics())
        deletions.passed(RAW, 5, 9)
        with pytest.raises(TimeoutError):
            await deletions.look(away)
        await deletions.look(back)

    with capture_logs() as said:
        asyncio.run(play())
    assert [line["tweets_at_most"] for line in said] == [4]
