"""A process that is stopped and goes on, and a machine that is suspended and wakes."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.fleet import freeze, thaw
from tests.conftest import BROKERS, KAFKA_HOME
from tests.stream import START_BOUND_S, Stream, tweets, wait_for
from worker.brokers import ApacheKafka, EmbeddedBroker, LocalBroker

pytestmark = [pytest.mark.integration, pytest.mark.slow]
SUSPENDED_S = 12.0
"""Twice as long as a group waits for a heartbeat, and longer than the watchdog waits here."""


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalBroker]:
    """One that may be suspended: nobody else uses it."""
    folder = tmp_path / "broker"
    with (
        ApacheKafka(Path(KAFKA_HOME or ""), folder) if request.param == "apache" else EmbeddedBroker(folder) as started
    ):
        yield started


@pytest.mark.parametrize("whole_machine", [False, True], ids=["the worker", "the whole machine"])
def test_what_is_suspended_in_the_middle_of_a_backlog_goes_on_and_loses_repeats_and_miscounts_nothing(
    stream: Stream, broker: LocalBroker, whole_machine: bool
) -> None:
    stream.start(WORKER_STUCK_S="8", WORKER_MAX_BATCH="16")
    wait_for(lambda: stream.get("/readyz")["ready"], START_BOUND_S)
    process = stream.process
    assert process is not None
    stream.produce(tweets(8000))
    wait_for(lambda: stream.counts()["total"] > 100, START_BOUND_S)
    suspended = [process.pid, broker.pid] if whole_machine else [process.pid]
    for pid in suspended:
        freeze(pid)
    time.sleep(SUSPENDED_S)
    for pid in reversed(suspended):
        thaw(pid)
    stream.produce(tweets(400))
    stream.check_exact(8400)
    assert process.poll() is None, f"it ended:\n{stream.log.read_text()[-3000:]}"
