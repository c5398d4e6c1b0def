"""The mended consumer: what it commits, how it hands records on, and where it begins to read."""

import asyncio
from types import SimpleNamespace
from typing import Any

from aiokafka import ConsumerRecord
from faust.types import TP

from worker.acknowledged import Acknowledged
from worker.consumer import ExactConsumer
from worker.fetching import ReadOffsets
from worker.holes import Holes
from worker.progress import Progress
from worker.records import RawRecord

RAW = TP("raw", 0)


def records(*offsets: int) -> list[Any]:
    return [SimpleNamespace(offset=offset) for offset in offsets]


def build_consumer() -> ExactConsumer:
    consumer = ExactConsumer.__new__(ExactConsumer)
    state: dict[str, Any] = {
        "app": SimpleNamespace(raw_topic_name="raw", progress=Progress()),
        "holes": Holes(),
        "acknowledged": Acknowledged(),
    }
    vars(consumer).update(state)
    return consumer


def test_only_what_is_done_from_where_reading_began_is_committed() -> None:
    consumer = build_consumer()
    consumer.acknowledged.begin(RAW, 5)
    consumer.acknowledged.add(RAW, 8, 9)
    assert consumer._new_offset(RAW) is None
    consumer.acknowledged.begin(RAW, 5)
    consumer.acknowledged.add(RAW, 5, 7)
    consumer.acknowledged.add(RAW, 8, 9)
    consumer.acknowledged.add(RAW, 11, 12)
    assert list(consumer._filter_tps_with_pending_acks()) == [RAW]
    assert consumer._new_offset(RAW) == 10
    assert consumer._new_offset(RAW) is None


def test_a_fetch_that_faust_drops_leaves_no_hole() -> None:
    consumer = build_consumer()
    consumer.holes.note({RAW: records(5, 6, 7)}, {}, since=0)
    asyncio.run(consumer._add_gap(RAW, 5, 8))
    consumer.holes.note({RAW: records(8)}, {}, since=0)
    assert [consumer.past_holes(RAW)(offset) for offset in (5, 6, 7)] == [5, 6, 7]


def test_a_hole_between_two_runs_is_committed_over() -> None:
    consumer = build_consumer()
    consumer.acknowledged.begin(RAW, 5)
    consumer.holes.note({RAW: records(5, 6, 9)}, {}, since=0)
    consumer.acknowledged.add(RAW, 5, 6)
    consumer.acknowledged.add(RAW, 9, 9)
    assert consumer._new_offset(RAW) == 10


def test_a_hole_where_reading_began_is_committed_over() -> None:
    consumer = build_consumer()
    consumer.acknowledged.begin(RAW, 5)
    with consumer.holes.seeking(RAW, 5):
        pass
    consumer.holes.note({RAW: records(8)}, {}, since=2)
    consumer.app.progress.expected[RAW.partition] = 9
    consumer.acknowledged.add(RAW, 8, 8)
    assert consumer._new_offset(RAW) == 9
    assert consumer._new_offset(RAW) is None


def test_a_hole_behind_what_was_taken_outlives_the_commit() -> None:
    consumer = build_consumer()
    consumer.acknowledged.begin(RAW, 5)
    consumer.app.progress.expected[0] = 7
    consumer.holes.note({RAW: records(5, 6)}, {RAW: 8}, since=0)
    consumer.acknowledged.add(RAW, 5, 6)
    assert consumer._new_offset(RAW) == 8
    assert consumer.past_holes(RAW)(7) == 8


def test_what_ends_after_its_partition_went_is_not_committed() -> None:
    consumer = build_consumer()
    consumer.acknowledged.add(RAW, 5, 6)
    assert list(consumer._filter_tps_with_pending_acks()) == []


def test_the_records_of_a_partition_come_in_one_piece_and_those_of_a_changelog_one_by_one() -> None:
    consumer = build_consumer()
    vars(consumer)["app"] = SimpleNamespace(raw_topic_name="raw", consumer_generation_id=3)
    given = {tp: [consumer_record(tp, offset) for offset in (4, 5)] for tp in (RAW, TP("changelog", 0))}

    async def getmany(*_: Any) -> Any:
        return given

    vars(consumer)["_thread"] = SimpleNamespace(getmany=getmany)
    fetched = asyncio.run(consumer._getmany(set(given), 1.0))
    assert fetched[TP("changelog", 0)] == given[TP("changelog", 0)]
    (piece,) = fetched[RAW]
    message = consumer._to_message(RAW, piece)
    value: Any = message.value
    assert (message.offset, message.generation_id) == (5, 3)
    assert value == [RawRecord("raw", 0, o, b"k", b"v", (("h", b"w"),), 1.5) for o in (4, 5)]


def consumer_record(tp: TP, offset: int) -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord(tp.topic, tp.partition, offset, 1500, 0, b"k", b"v", None, 1, 1, (("h", b"w"),))


def test_a_piece_that_was_under_way_during_a_seek_does_not_hide_what_is_read_again() -> None:
    consumer, handed_on = build_consumer(), []
    pieces = [(RAW, 29), (RAW, 9), (RAW, 19), (TP("changelog", 0), 29), (TP("changelog", 0), 9)]
    stopped, suspended = asyncio.Event(), asyncio.Event()

    async def getmany(**_: Any) -> Any:
        stopped.set()
        for tp, offset in pieces:
            yield tp, SimpleNamespace(offset=offset, topic=tp.topic, key=None, value=None)

    async def callback(message: Any) -> None:
        handed_on.append((message.topic, message.offset))

    async def wait_first(handing: Any, waiting: Any) -> None:
        waiting.close()
        await handing

    async def drain() -> None:
        vars(consumer).update(
            {
                "_read_offset": ReadOffsets("raw"),
                "callback": callback,
                "getmany": getmany,
                "suspend_flow": suspended,
                "_stopped": asyncio.Event(),
                "_commit_every": None,
                "diag": SimpleNamespace(set_flag=lambda _: None, unset_flag=lambda _: None),
                "sleep": asyncio.sleep,
                "wait_first": wait_first,
                "_crashed": asyncio.Event(),
                "log": SimpleNamespace(dev=lambda *_: None, exception=lambda *_: None),
            }
        )
        app = SimpleNamespace(raw_topic_name="raw", topics=SimpleNamespace(acks_enabled_for=lambda _: False))
        vars(consumer)["app"] = app
        await consumer._drain_messages(SimpleNamespace(_stopped=stopped))

    asyncio.run(drain())
    assert handed_on == [("raw", 29), ("raw", 9), ("raw", 19), ("changelog", 29)]


def test_a_partition_without_a_position_begins_at_its_first_record_wherever_the_fetcher_stands() -> None:
    consumer, began, sought = build_consumer(), [], []

    async def begin_assignment(starts: dict[int, int]) -> None:
        began.append(starts)

    async def seek_to_committed() -> dict[TP, None]:
        return {RAW: None}

    async def earliest_offsets(*tps: TP) -> dict[TP, int]:
        return dict.fromkeys(tps, 3)

    async def seek(tp: TP, offset: int) -> None:
        sought.append((tp, offset))

    app = SimpleNamespace(
        raw_topic_name="raw",
        rows={},
        progress=Progress(),
        drain_s=1.0,
        begin_assignment=begin_assignment,
        rebalancing_count=0,
    )
    vars(consumer).update(
        {
            "app": app,
            "_assigned_in": 0,
            "_seeking": asyncio.Lock(),
            "_fetching": None,
            "_read_offset": {},
            "_committed_offset": {},
            "assignment": lambda: {RAW},
            "seek_to_committed": seek_to_committed,
            "earliest_offsets": earliest_offsets,
            "seek": seek,
        }
    )
    asyncio.run(consumer.perform_seek())
    assert began == [{0: 3}]
    assert sought == [(RAW, 3)]


def test_a_run_that_lies_behind_takes_no_commit_back() -> None:
    consumer = build_consumer()
    consumer.acknowledged.begin(RAW, 5)
    consumer.acknowledged.add(RAW, 5, 9)
    consumer.acknowledged.add(RAW, 6, 7)
    assert consumer._new_offset(RAW) == 10
