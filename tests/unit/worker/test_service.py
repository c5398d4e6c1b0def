"""How the worker begins."""

import asyncio
from pathlib import Path

import pytest
from aiokafka.errors import GroupAuthorizationFailedError, IllegalStateError, TopicAuthorizationFailedError

from worker.app import EmotionApp
from worker.brokers import free_port
from worker.errors import BrokerRefused, BrokerUnreachable, PublishFailed
from worker.metrics import Metrics
from worker.service import _exit_code, _start
from worker.settings import KafkaSettings, WorkerSettings


def test_brokers_that_went_away_since_they_were_asked_are_named_in_one_line(tmp_path: Path) -> None:
    kafka = KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}")

    async def start() -> None:
        app = EmotionApp(kafka, WorkerSettings(data_dir=tmp_path), 1, Metrics())
        try:
            await _start(app, kafka, asyncio.Event(), 5.0)
        finally:
            await app.stop()

    with pytest.raises(BrokerUnreachable, match=f"{kafka.bootstrap_servers} answered and went away"):
        asyncio.run(start())


async def _takes_everything(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


def test_brokers_that_say_nothing_keep_no_worker_from_stopping_while_it_starts(tmp_path: Path) -> None:
    async def start() -> bool:
        silent = await asyncio.start_server(_takes_everything, "127.0.0.1", 0)
        kafka = KafkaSettings(bootstrap_servers="127.0.0.1:{1}".format(*silent.sockets[0].getsockname()))
        app, stopping = EmotionApp(kafka, WorkerSettings(data_dir=tmp_path), 1, Metrics()), asyncio.Event()
        asyncio.get_running_loop().call_later(0.5, stopping.set)
        try:
            return await asyncio.wait_for(_start(app, kafka, stopping, 0.5), 20)
        finally:
            silent.close()
            await app.stop()

    assert asyncio.run(start()) is False


@pytest.mark.parametrize(
    ("crash", "told", "code"),
    [
        (None, True, 0),
        (None, False, 1),
        (PublishFailed("away"), False, 74),
        (PublishFailed("away"), True, 74),
        (BrokerRefused("no right"), False, 77),
        (TopicAuthorizationFailedError("raw"), False, 77),
        (GroupAuthorizationFailedError("app"), False, 77),
        (IllegalStateError(), False, 1),
    ],
)
def test_only_who_was_told_to_stop_ends_well(crash: BaseException | None, told: bool, code: int) -> None:
    assert _exit_code(crash, told=told) == code
