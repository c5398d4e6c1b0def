"""The commands beside a running worker as scripts use them: in a pipe, repeated, beside an open transaction."""

import subprocess
import sys

import pytest
from confluent_kafka import Producer

from tests.stream import PARTITIONS, Stream

pytestmark = pytest.mark.integration
LONG = "so happy " * 30


def command(stream: Stream, *words: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "worker", *words], env=stream.environment(), capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("broker", ["embedded"], indirect=True)
def test_in_a_pipe_tail_cuts_nothing_and_counts_come_again_and_again(stream: Stream) -> None:
    stream.produce([f"{LONG}{number}".encode() for number in range(8)])
    stream.start("--include-text")
    stream.wait_until_counted(8)
    lines = command(stream, "tail", "--from-beginning", "--no-follow").splitlines()
    assert sorted(line[line.index("so happy") :] for line in lines) == [f"{LONG}{number}" for number in range(8)]
    with subprocess.Popen(
        [sys.executable, "-m", "worker", "counts", "--every", "0.1"],
        env=stream.environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as counts:
        assert counts.stdout is not None
        found = [line for line, _ in zip(counts.stdout, range(40), strict=False) if "8 labelled" in line]
        counts.terminate()
    assert len(found) >= 2


@pytest.mark.apache
@pytest.mark.parametrize("broker", ["apache"], indirect=True)  # the embedded one has no transactions
def test_an_open_transaction_does_not_hide_what_was_sent_back(stream: Stream) -> None:
    stream.produce([b'{"text": "cut'] * PARTITIONS)
    stream.start()
    stream.wait_until_counted(PARTITIONS)
    neighbour = Producer(stream.kafka.client_config() | {"transactional.id": "neighbour"})
    neighbour.init_transactions(30)
    neighbour.begin_transaction()
    for partition in range(PARTITIONS):
        neighbour.produce(stream.kafka.raw_topic, b"so happy", partition=partition)
    assert neighbour.flush(30) == 0
    redrive = ("dead", "redrive", "--all", "--yes")
    assert f"{PARTITIONS} sent back" in command(stream, *redrive)
    assert f"0 to send back, {PARTITIONS} were sent back before" in command(stream, *redrive)
    neighbour.abort_transaction(30)
    stream.check_exact(2 * PARTITIONS)
