"""Tweets that are produced in transactions: what is committed is labelled once, what is aborted never."""

import time

import pytest
from confluent_kafka import Producer

from tests.stream import PARTITIONS, START_BOUND_S, Stream, tweets, wait_for

pytestmark = [
    pytest.mark.integration,
    pytest.mark.apache,
    pytest.mark.parametrize("broker", ["apache"], indirect=True),
]


def transactional(stream: Stream) -> Producer:
    producer = Producer(stream.kafka.client_config() | {"transactional.id": stream.worker.app_id})
    producer.init_transactions(30)
    return producer


def begin_transaction(stream: Stream, producer: Producer, values: list[bytes]) -> None:
    """Begin one, and have the values on the brokers, in every partition."""
    producer.begin_transaction()
    for number, value in enumerate(values):
        producer.produce(stream.kafka.raw_topic, value, partition=number % PARTITIONS)
    assert producer.flush(30) == 0


def test_a_transaction_leaves_no_lag_behind_it_and_counts_only_if_it_is_committed(stream: Stream) -> None:
    producer = transactional(stream)
    stream.start("--stuck-s", "8")
    for number, end in enumerate(
        [producer.commit_transaction, producer.abort_transaction, producer.commit_transaction]
    ):
        begin_transaction(stream, producer, tweets(40))
        end(30)
        stream.wait_until_counted([40, 40, 80][number])
        wait_for(lambda: stream.counts()["complete"] and not stream.counts()["late_s"], 30)
        wait_for(lambda: stream.get("/healthz")["without_progress_s"] == 0, 30)
    assert {part["lag_messages"] for part in stream.counts()["partitions"]} == {0}
    assert stream.process is not None
    assert stream.process.poll() is None
    stream.check_exact(80)


def test_what_stands_in_and_behind_an_open_transaction_is_waited_for_also_by_a_restart(stream: Stream) -> None:
    producer, stuck_s = transactional(stream), 8
    stream.start("--stuck-s", str(stuck_s))
    stream.produce(tweets(40))
    stream.wait_until_counted(40)
    begin_transaction(stream, producer, tweets(40))
    stream.produce(tweets(40))  # stand behind the open transaction
    time.sleep(stuck_s + 2)
    assert stream.counts()["total"] == 40
    stream.kill()
    stream.start("--stuck-s", str(stuck_s))
    wait_for(lambda: stream.get("/readyz")["ready"], START_BOUND_S, stream.log.read_text)
    producer.commit_transaction(30)
    stream.check_exact(120)
