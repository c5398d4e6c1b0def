"""What the mended consumer believes to be a hole: only what fetches that follow each other skip."""

import asyncio
from collections import defaultdict, deque
from types import SimpleNamespace
from typing import Any

from faust.types import TP
from intervaltree import IntervalTree

from worker.consumer import ExactConsumer
from worker.progress import Progress

RAW = TP("raw", 0)


def build_consumer() -> ExactConsumer:
    consumer = ExactConsumer.__new__(ExactConsumer)
    state: dict[str, Any] = {
        "app": SimpleNamespace(raw_topic_name="raw"),
        "_fetched": {},
        "_noted": deque(),
        "_gap": defaultdict(IntervalTree),
    }
    vars(consumer).update(state)
    return consumer


def fetched(*offsets: int) -> dict[TP, list[Any]]:
    return {RAW: [SimpleNamespace(offset=offset) for offset in offsets]}


def holes(consumer: ExactConsumer) -> list[int]:
    return [offset for offset in range(15) if consumer.holes(RAW)(offset)]


def test_what_is_skipped_within_a_fetch_and_between_two_is_a_hole() -> None:
    consumer = build_consumer()
    consumer.note_holes(fetched(5, 6, 8), undisturbed=True)
    consumer.note_holes(fetched(11), undisturbed=True)
    assert holes(consumer) == [7, 9, 10]


def test_a_fetch_that_faust_drops_leaves_no_hole() -> None:
    consumer = build_consumer()
    consumer.note_holes(fetched(5, 6, 7), undisturbed=True)
    asyncio.run(consumer._add_gap(RAW, 5, 8))
    consumer.note_holes(fetched(8), undisturbed=True)
    assert holes(consumer) == []


def test_a_fetch_during_a_seek_says_nothing_of_what_lies_between() -> None:
    consumer = build_consumer()
    consumer.note_holes(fetched(5), undisturbed=True)
    consumer.note_holes(fetched(9), undisturbed=False)
    consumer.note_holes(fetched(12), undisturbed=True)
    assert holes(consumer) == []


def test_a_partition_without_a_position_begins_at_its_first_record_wherever_the_fetcher_stands() -> None:
    consumer, began, sought = build_consumer(), [], []

    async def begin_assignment(starts: dict[int, int]) -> None:
        began.append(starts)

    async def seek_to_committed() -> dict[TP, None]:
        return {RAW: None}

    async def earliest_offsets(tp: TP) -> dict[TP, int]:
        return {tp: 3}

    async def seek(tp: TP, offset: int) -> None:
        sought.append((tp, offset))

    app = SimpleNamespace(
        raw_topic_name="raw", rows={}, progress=Progress(), drain_s=1.0, begin_assignment=begin_assignment
    )
    vars(consumer).update(
        {
            "app": app,
            "_seeking": asyncio.Lock(),
            "_read_offset": {},
            "_committed_offset": {},
            "_base": {},
            "_acked": defaultdict(list),
            "_acked_index": defaultdict(set),
            "assignment": lambda: {RAW},
            "seek_to_committed": seek_to_committed,
            "earliest_offsets": earliest_offsets,
            "seek": seek,
        }
    )
    asyncio.run(consumer.perform_seek())
    assert began == [{0: 3}]
    assert sought == [(RAW, 3)]
