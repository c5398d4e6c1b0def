"""A worker ends when it is told to, and notices what never ends."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.poisoned_worker import WORD
from tests.stream import Stream, tweets, wait_for
from worker.brokers import EmbeddedBroker, LocalBroker
from worker.health import STUCK_EXIT_CODE

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
