"""How batches are gathered; the loop's clock is moved by hand, nothing sleeps."""

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any, TypeVar

from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from worker.gathering import Gathering, Run
from worker.records import RawRecord

T = TypeVar("T")


class HandMovedLoop(asyncio.SelectorEventLoop):
    """Its time jumps to the next timer whenever nothing else is left to do."""

    now_s = 0.0
    _scheduled: list[asyncio.TimerHandle]
    _ready: Any

    def time(self) -> float:
        return self.now_s

    def _run_once(self) -> None:
        while self._scheduled and self._scheduled[0].cancelled():
            heapq.heappop(self._scheduled)
        if not self._ready and self._scheduled:
            self.now_s = max(self.now_s, self._scheduled[0].when())
        super()._run_once()  # type: ignore[misc]


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    with asyncio.Runner(loop_factory=HandMovedLoop) as runner:
        return runner.run(main())


def piece(first: int, count: int, partition: int = 0) -> Run:
    records = [RawRecord("raw", partition, first + i, None, b"x", (), 0.0) for i in range(count)]
    event: Any = SimpleNamespace(message=SimpleNamespace(tp=TP("raw", partition)))
    return Run(event, records)


def offsets(batch: list[Run]) -> list[int]:
    return [record.offset for one in batch for record in one.records]


def test_a_full_batch_is_taken_at_once_and_the_rest_waits() -> None:
    async def main() -> tuple[list[int], int, float]:
        gathering = Gathering(4, 1.0, room=100)
        await gathering.put(piece(0, 3))
        await gathering.put(piece(3, 3))
        batch = await gathering.take()
        return offsets(batch), len(gathering), asyncio.get_running_loop().time()

    assert run(main) == ([0, 1, 2, 3], 2, 0.0)


def test_a_batch_that_is_not_full_leaves_nothing_waiting() -> None:
    async def main() -> tuple[list[int], int]:
        gathering = Gathering(4, 1.0, room=100)
        await gathering.put(piece(0, 3))
        return offsets(await gathering.take()), len(gathering)

    assert run(main) == ([0, 1, 2], 0)


def test_the_deadline_counts_from_the_first_record_whatever_comes_later() -> None:
    async def main() -> tuple[list[int], float]:
        gathering = Gathering(100, 1.0, room=100)

        async def trickle() -> None:
            for first in range(10):
                await gathering.put(piece(first, 1))
                await asyncio.sleep(0.3)

        trickling = asyncio.create_task(trickle())
        batch = await gathering.take()
        moment = asyncio.get_running_loop().time()
        await trickling
        return offsets(batch), moment

    assert run(main) == ([0, 1, 2, 3], 1.0)


def test_what_came_while_the_agent_worked_is_taken_without_waiting_again() -> None:
    async def main() -> tuple[list[int], float]:
        gathering = Gathering(100, 1.0, room=100)
        await gathering.put(piece(0, 2))
        await asyncio.sleep(5.0)
        await gathering.put(piece(2, 2))
        return offsets(await gathering.take()), asyncio.get_running_loop().time()

    assert run(main) == ([0, 1, 2, 3], 5.0)


def test_while_a_batch_is_on_its_way_only_a_full_one_is_taken() -> None:
    async def main() -> list[tuple[list[int], float]]:
        gathering, loop, taken = Gathering(4, 1.0, room=100), asyncio.get_running_loop(), []
        gathering.batch_began()
        await gathering.put(piece(0, 5))
        taken.append((offsets(await gathering.take()), loop.time()))
        taking = asyncio.create_task(gathering.take())
        await asyncio.sleep(7.0)
        gathering.batch_ended()
        taken.append((offsets(await taking), loop.time()))
        return taken

    assert run(main) == [([0, 1, 2, 3], 0.0), ([4], 7.0)]


def test_whoever_brings_more_than_there_is_room_for_waits() -> None:
    async def main() -> list[int]:
        gathering, seen = Gathering(2, 1.0, room=4), []
        await gathering.put(piece(0, 4))
        waiting = asyncio.create_task(gathering.put(piece(4, 4)))
        await asyncio.sleep(10.0)
        seen.append(len(gathering))
        await gathering.take()
        await waiting
        seen.append(len(gathering))
        return seen

    assert run(main) == [4, 6]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 10))
def test_every_record_is_in_one_batch_in_its_order_and_no_batch_is_too_large(sizes: list[int], max_batch: int) -> None:
    async def main() -> list[list[int]]:
        gathering, first = Gathering(max_batch, 0.1, room=1000), 0
        for size in sizes:
            await gathering.put(piece(first, size))
            first += size
        return [offsets(await gathering.take()) for _ in range(-(-first // max_batch))]

    batches = run(main)
    assert [offset for batch in batches for offset in batch] == list(range(sum(sizes)))
    assert all(1 <= len(batch) <= max_batch for batch in batches)


def test_what_is_not_full_stays_while_a_batch_is_on_its_way() -> None:
    async def main() -> tuple[bool, list[int]]:
        gathering = Gathering(4, 1.0, room=100)
        gathering.batch_began()
        await gathering.put(piece(0, 1))
        taking = asyncio.create_task(gathering.take())
        await asyncio.sleep(7.0)
        too_early = taking.done()
        gathering.batch_ended()
        return too_early, offsets(await taking)

    assert run(main) == (False, [0])


def test_a_piece_that_just_fills_a_batch_leaves_no_empty_one_behind() -> None:
    async def main() -> list[int]:
        gathering = Gathering(4, 1.0, room=100)
        await gathering.put(piece(0, 4))
        first = await gathering.take()
        await gathering.put(piece(4, 1))
        return [len(one.records) for one in (*first, *await gathering.take())]

    assert run(main) == [4, 1]


def test_the_rest_of_a_piece_has_waited_as_long_as_the_piece() -> None:
    async def main() -> tuple[list[int], float]:
        gathering = Gathering(4, 1.0, room=100)
        await gathering.put(piece(0, 5))
        await asyncio.sleep(0.6)
        await gathering.take()
        return offsets(await gathering.take()), asyncio.get_running_loop().time()

    assert run(main) == ([4], 1.0)
