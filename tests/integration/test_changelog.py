"""What may happen to the changelog of the counts: a record that cannot be written, one that comes late."""

import time

import orjson
import pytest
from confluent_kafka import Message

from tests.chaos.ledger import read_all
from tests.stream import Stream, ordered_producer, set_largest, tweets, wait_for

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("broker", ["apache"], indirect=True)  # the embedded one takes records of any size
def test_nothing_is_committed_over_a_count_that_could_not_be_written(stream: Stream) -> None:
    set_largest(stream.kafka, stream.worker.changelog_topic, 100)
    stream.produce(tweets(40))
    for _ in range(2):
        stream.start()
        assert stream.ended() == 1
    set_largest(stream.kafka, stream.worker.changelog_topic, 1_000_000)
    stream.start()
    stream.check_exact(40)


def rows(stream: Stream) -> dict[bytes, list[Message]]:
    """What the changelog says of each row, in its order."""
    found: dict[bytes, list[Message]] = {}
    for message in read_all(stream.kafka, stream.worker.changelog_topic):
        found.setdefault(message.key() or b"", []).append(message)
    return found


def test_a_row_of_a_worker_that_was_fenced_off_does_not_outlast_the_newer_one(stream: Stream) -> None:
    now_s = time.time()
    stream.start()
    stream.produce(tweets(40), at_s=now_s)
    stream.wait_until_counted(40)
    (early, *_), *_ = rows(stream).values()
    stream.produce(tweets(40), at_s=now_s)
    stream.wait_until_counted(80)
    *_, late = rows(stream)[early.key() or b""]
    assert late.value() != early.value()
    producer = ordered_producer(stream.kafka)
    producer.produce(stream.worker.changelog_topic, early.value(), early.key(), early.partition() or 0)
    assert producer.flush(30) == 0

    def newest_is_last() -> bool:
        lasts = [orjson.loads(of_row[-1].value() or b"") for of_row in rows(stream).values()]
        return bool(sum(sum(row["n"]) + row["d"] for row in lasts) == 80)

    wait_for(newest_is_last, 30, stream.log.read_text)
    stream.kill()
    stream.start()
    stream.check_exact(80)
