"""The app on Faust's own objects, not connected: failures end it, and what was dropped is read again."""

import asyncio
from collections import defaultdict
from itertools import count
from typing import Any

import mode
import pytest
from faust.types import TP

from tests.apps import RAW, consumer_of, settle
from worker.app import EmotionApp
from worker.progress import QUIET_S


def test_a_changelog_record_that_cannot_be_written_crashes_the_worker(app: EmotionApp) -> None:
    error = OSError("the brokers are gone")

    async def play() -> None:
        sensors: Any = app.sensors
        sensors.on_send_error(None, error, defaultdict(lambda: None))
        await asyncio.sleep(0.01)

    asyncio.run(play())
    assert app.crash_reason is error


def test_an_agent_that_fails_is_not_restarted_silently_and_no_topic_is_made_on_the_way(app: EmotionApp) -> None:
    conf: Any = app.conf
    assert conf.agent_supervisor is mode.CrashingSupervisor
    assert (conf.topic_disable_leader, conf.topic_allow_declare) == (True, False)


@pytest.mark.parametrize(
    ("position", "listed", "holes", "rewound"),
    [
        (12, 0, (), [(RAW, 10)]),
        (10, 12, (), [(RAW, 10)]),
        (10, 10, (), []),
        (10, 0, (), []),
        (12, 12, (10, 11), []),
        (12, 12, (10,), [(RAW, 11)]),
    ],
)
def test_a_quiet_worker_reads_again_what_was_fetched_or_listed_and_never_came(
    app: EmotionApp, position: int, listed: int, holes: tuple[int, ...], rewound: list[tuple[TP, int]]
) -> None:
    sought: list[tuple[TP, int]] = []
    told: list[tuple[TP, int, int]] = []

    async def passed(*hole: Any) -> None:
        told.append(hole)

    async def where(_: TP) -> int:
        return position

    async def rewind(tp: TP, offset: int) -> None:
        sought.append((tp, offset))

    def behind(offset: int) -> int:
        return next(n for n in count(offset) if n not in holes)

    consumer_of(app, position=where, seek=rewind, past_holes=lambda _: behind, passed=passed, _active_partitions=set())
    vars(app)["assigned_partitions"] = lambda: {0}
    settle(app)
    app.progress.moved_at -= QUIET_S
    asyncio.run(app.reread_dropped({0: listed}))
    assert sought == rewound
    assert app.progress.expected[0] == 10 + len(holes)
    assert told == [(RAW, 10, 10 + len(holes))]
