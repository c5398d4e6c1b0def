"""A worker ends when it is told to, and notices what never ends."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from tests.conftest import KAFKA_HOME
from tests.poisoned_worker import WORD
from tests.stream import START_BOUND_S, Stream, tweets, wait_for
from worker.brokers import ApacheKafka, EmbeddedBroker, LocalBroker
from worker.commands.topics import create_topics
from worker.health import STUCK_EXIT_CODE
from worker.settings import KafkaSettings, WorkerSettings

pytestmark = pytest.mark.integration
BOUNDS = {"WORKER_DRAIN_S": "1", "WORKER_DELIVERY_TIMEOUT_S": "3"}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LocalBroker]:
    """One that may be stopped: nobody else uses it."""
    with EmbeddedBroker(tmp_path / "broker") as started:
        yield started


def hang(stream: Stream, **environment: str) -> None:
    """Start a worker, which begins a batch that never ends."""
    stream.command = ("tests.poisoned_worker",)
    stream.start(POISON_MANNER="hang", **environment)
    stream.produce([b"so happy", WORD.encode()])
    note = stream.worker.data_dir / "labelling.json"
    wait_for(lambda: note.exists() and b"[[" in note.read_bytes(), 60, stream.log.read_text)


def test_a_batch_that_never_ends_is_noticed_though_nothing_waits_behind_it(stream: Stream) -> None:
    hang(stream, WORKER_STUCK_S="10")
    assert stream.ended() == STUCK_EXIT_CODE


def test_a_worker_whose_batch_never_ends_can_be_stopped(stream: Stream) -> None:
    hang(stream, **BOUNDS)
    assert stream.terminate() == 0
    assert "a batch does not end" in stream.log.read_text()


def test_a_worker_whose_brokers_are_gone_can_be_stopped(stream: Stream, broker: LocalBroker) -> None:
    stream.start(**BOUNDS)
    stream.produce(tweets(40))
    stream.wait_until_counted(40)
    stream.produce(tweets(4000))
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        time.sleep(0.3)
        stream.terminate()
    finally:
        os.kill(broker.pid, signal.SIGCONT)


@pytest.mark.apache
@pytest.mark.skipif(KAFKA_HOME is None, reason="no KAFKA_HOME")
def test_a_worker_whose_brokers_say_nothing_any_more_while_it_starts_can_be_stopped(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    with ApacheKafka(Path(KAFKA_HOME or ""), tmp_path / "apache") as kafka:
        settings = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers)
        worker = WorkerSettings(bundle=tiny_bundle, data_dir=tmp_path / "data")
        create_topics(settings, worker)
        with Stream(settings, worker, tmp_path / "worker.log") as stream:
            stream.start(**BOUNDS)
            asyncio.run(joined(kafka.bootstrap_servers, worker.app_id))
            os.kill(kafka.pid, signal.SIGSTOP)
            try:
                assert stream.terminate() == 0
            finally:
                os.kill(kafka.pid, signal.SIGCONT)
            assert "Traceback" not in stream.log.read_text()


async def joined(servers: str, group: str) -> None:
    """Wait until the group has a member."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        async with asyncio.timeout(START_BOUND_S):
            members = None
            while not members:
                with suppress(KafkaError):  # a broker that has just begun has no coordinator for a moment
                    ((*_, members, _),) = (await admin.describe_consumer_groups([group]))[0].groups
                await asyncio.sleep(0.01)
    finally:
        await admin.close()
