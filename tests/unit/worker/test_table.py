"""The table of counts on Faust's own objects, not connected."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from tests.apps import CHANGELOG, KEY, RAW
from worker.agent import _as_current
from worker.app import EmotionApp
from worker.counts import Row, new_row


def test_the_table_is_followed_without_a_second_of_waiting(app: EmotionApp) -> None:
    tables: Any = app.tables
    began: list[str] = []

    async def note(step: str) -> None:
        began.append(step)

    tables._update_channels = lambda: note("channels")
    tables.recovery.start = lambda: note("recovery")
    tables.sleep = pytest.fail
    asyncio.run(tables.on_start())
    assert began == ["channels", "recovery"]


def changelog_event(offset: int, row: Row) -> Any:
    message = SimpleNamespace(tp=CHANGELOG, partition=0, offset=offset, value=row)
    return SimpleNamespace(key=[KEY[0], list(KEY[1])], value=row, message=message)


@pytest.mark.parametrize("batches", [[[0, 1]], [[0], [1]]])
def test_a_late_write_of_a_worker_that_was_fenced_off_does_not_take_a_row_back(
    app: EmotionApp, batches: list[list[int]]
) -> None:
    events = [changelog_event(0, new_row() | {"o": 9, "done": 9}), changelog_event(1, new_row() | {"o": 5, "done": 5})]
    for batch in batches:
        app.counts_table.apply_changelog_batch([events[number] for number in batch])
    assert app.rows[KEY]["done"] == 9


def test_a_table_write_outside_of_the_stream_s_task_goes_to_the_partition_of_its_tweet(app: EmotionApp) -> None:
    sent = []

    def send_changelog(partition: int, key: Any, value: Any, **_: Any) -> Any:
        sent.append((partition, key, value))
        return SimpleNamespace(message=SimpleNamespace(partition=partition))

    vars(app.counts_table)["send_changelog"] = send_changelog
    vars(app.counts_table)["_verify_source_topic_partitions"] = lambda _: None

    class Event:
        message = SimpleNamespace(topic=RAW.topic, partition=0)

    event: Any = Event()
    with _as_current(event):
        app.counts_table[KEY] = new_row()
    assert sent == [(0, KEY, new_row())]
