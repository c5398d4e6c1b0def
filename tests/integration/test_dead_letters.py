"""A dead letter is never lost, whatever becomes of its topic, and goes back once for each request."""

import asyncio
import gzip
import re
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.dead_letter import DeadLetter
from tests.chaos.ledger import read_all
from tests.headers import batch_of, send
from tests.stream import PARTITIONS, START_BOUND_S, Stream, ordered_producer, set_largest, tweets, wait_for
from worker.commands.consuming import read_partitions
from worker.commands.topics import create_topics
from worker.errors import PublishFailed, TopicsUnfit

pytestmark = pytest.mark.integration
EMBEDDED = pytest.mark.parametrize("broker", ["embedded"], indirect=True)
"""Commands that read and write whole topics: one broker is enough."""

GOOD = tweets(40)
BAD = b'{"text": "cut'


@pytest.mark.apache
@pytest.mark.parametrize("broker", ["apache"], indirect=True)  # the embedded one takes records for a deleted topic
def test_a_deleted_dead_letter_topic_stops_the_worker_and_loses_nothing(stream: Stream) -> None:
    stream.produce(GOOD)
    stream.start(WORKER_DELIVERY_TIMEOUT_S="5")
    stream.wait_until_counted(len(GOOD))
    admin = AdminClient(stream.kafka.client_config())
    admin.delete_topics([stream.kafka.dead_topic])[stream.kafka.dead_topic].result(30)
    stream.produce([*GOOD, BAD])
    assert stream.ended() == PublishFailed.exit_code
    assert stream.kafka.dead_topic in stream.log.read_text()
    stream.start()
    assert stream.ended() == 78
    assert "python -m worker topics" in stream.log.read_text()

    def made_anew() -> bool:
        return stream.kafka.dead_topic in create_topics(stream.kafka, stream.worker)

    wait_for(made_anew, 30)
    stream.start()
    _, letters = stream.check_exact(2 * len(GOOD) + 1)
    assert [letter["reason"] for letter in letters] == ["not_json"]


@pytest.mark.apache
@pytest.mark.parametrize("broker", ["apache"], indirect=True)
def test_a_dead_letter_topic_that_takes_no_such_size_stops_the_worker_and_loses_nothing(stream: Stream) -> None:
    set_largest(stream.kafka, stream.kafka.dead_topic, 2000)
    stream.produce([*GOOD, BAD + Random(1).randbytes(10_000).hex().encode()])
    stream.start()
    assert stream.ended() == PublishFailed.exit_code
    assert stream.kafka.dead_topic in stream.log.read_text()
    set_largest(stream.kafka, stream.kafka.dead_topic, 1_048_588)
    stream.start()
    stream.check_exact(len(GOOD) + 1)


def test_records_of_the_largest_size_in_any_part_get_an_outcome_and_go_back_whole(stream: Stream) -> None:
    large = 900_000
    records: list[tuple[bytes | None, bytes, list[tuple[str, str | bytes | None]]]] = [
        (None, b'{"text": "so happy", "id": "%s"}' % (b"7" * large), []),
        (None, b'{"text": "so happy", "author_id": "%s", "lang": "%s"}' % (b"a" * 400_000, b"b" * 400_000), []),
        (b"k" * large, b"[1]", []),
        (None, BAD, [("trace", b"h" * large)]),
        (b"k" * 100_000, BAD + b"v" * 700_000, [("trace", b"h" * 100_000)]),
        (b"key", BAD, [(f"header-{number}", b"") for number in range(5000)]),
        (b"key", BAD, [("\1" * 200, b"h")] * 20),
    ]
    producer = ordered_producer(stream.kafka)
    for key, value, headers in records:
        producer.produce(stream.kafka.raw_topic, value, key, 0, headers=headers)
    assert producer.flush(30) == 0
    stream.start()
    events, letters = stream.check_exact(len(records))
    assert [event["tweet_id"] for event in events] == [event["id"] for event in events]
    assert [DeadLetter.model_validate(letter).original_truncated for letter in letters] == [
        True,
        True,
        True,
        True,
        True,
    ]
    assert "5 sent back" in redrive(stream, "--all", "--yes")
    stream.wait_until_counted(len(records) + 5)
    again = read_all(stream.kafka, stream.kafka.raw_topic)[len(records) :]
    for (key, value, headers), message in zip(records[2:], again, strict=True):
        whole = dict(message.headers() or [])
        whole.pop("redrive-of")
        # One truth value each: pytest would compare what differs line by line, for minutes at this size.
        same = (message.key() == key, message.value() == value, whole == dict(headers))
        assert same == (True, True, True), f"offset {message.offset()}: key, value, headers the same? {same}"


def redrive(stream: Stream, *options: str) -> str:
    command = [sys.executable, "-m", "worker", "dead", "redrive", *options]
    return subprocess.run(
        command, env=stream.environment(), check=True, capture_output=True, text=True, timeout=60
    ).stdout


@EMBEDDED
def test_each_request_sends_a_letter_back_once(stream: Stream) -> None:
    stream.produce([*GOOD[:4], BAD, b"[1]"])
    stream.start()
    stream.wait_until_counted(6)
    assert "1 sent back" in redrive(stream, "--reason", "not_json", "--yes")
    stream.wait_until_counted(7)
    # What came back failed again and is a letter of its own; the first one is not sent twice.
    first = f"{stream.kafka.raw_topic}-0-1"
    assert "0 to send back, 1 were sent back before" in redrive(stream, "--id", first, "--yes")
    assert "1 sent back" in redrive(stream, "--id", first, "--again", "--yes")
    assert "1 to send back" in redrive(stream, "--reason", "wrong_shape", "--dry-run")
    stream.check_exact(8)


@EMBEDDED
def test_a_redrive_that_is_killed_and_repeated_sends_each_letter_once(stream: Stream) -> None:
    letters = 1500
    random = Random(1)
    stream.produce([BAD + random.randbytes(10_000).hex().encode() for _ in range(letters)])
    stream.start()
    stream.wait_until_counted(letters)
    assert stream.terminate() == 0
    end = listed_end(stream)
    command = [sys.executable, "-m", "worker", "dead", "redrive", "--all", "--yes"]
    with subprocess.Popen(command, env=stream.environment(), stdout=subprocess.DEVNULL) as running:
        wait_for(lambda: running.poll() is not None or listed_end(stream) > end, START_BOUND_S, every_s=0.0)
        running.kill()
    told = re.match(r"(\d+) to send back, (\d+) were sent back before", redrive(stream, "--all", "--yes"))
    assert told is not None
    to_send, before = int(told[1]), int(told[2])
    assert to_send > 0 < before
    assert to_send + before == letters
    back = [
        dict(message.headers() or [])["redrive-of"]
        for message in read_all(stream.kafka, stream.kafka.raw_topic)
        if message.headers()
    ]
    assert len(back) == len(set(back)) == letters


def raw_records(stream: Stream) -> int:
    return len(read_all(stream.kafka, stream.kafka.raw_topic))


def listed_end(stream: Stream) -> int:
    """Of all raw partitions: moves with what is written, though the embedded broker takes some batches for a record."""
    consumer = Consumer(stream.kafka.reader_config())
    places = [TopicPartition(stream.kafka.raw_topic, partition) for partition in range(PARTITIONS)]
    try:
        return sum(consumer.get_watermark_offsets(place, timeout=30)[1] for place in places)
    finally:
        consumer.close()


@pytest.mark.apache
@pytest.mark.parametrize("broker", ["apache"], indirect=True)  # the embedded one deletes no records
def test_a_letter_whose_whole_record_is_gone_keeps_no_other_from_going_back(stream: Stream) -> None:
    stream.produce([BAD + b"x" * 800_000, BAD])
    stream.start()
    stream.check_exact(2)
    admin, first = AdminClient(stream.kafka.client_config()), TopicPartition(stream.kafka.raw_topic, 0, 1)
    admin.delete_records([first])[first].result(30)
    command = [sys.executable, "-m", "worker", "dead", "redrive", "--all", "--yes"]
    told = subprocess.run(command, env=stream.environment(), capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "1 sent back" in told.stdout
    assert f"left out: {stream.kafka.raw_topic}-0-0" in told.stderr


@EMBEDDED
def test_a_header_that_is_not_utf8_keeps_no_letter_from_going_back(stream: Stream) -> None:
    producer = ordered_producer(stream.kafka)
    producer.produce(stream.kafka.raw_topic, BAD, partition=0, headers=[("redrive-of", b"\xff")])
    assert producer.flush(30) == 0
    stream.start()
    stream.check_exact(1)
    assert "1 to send back" in redrive(stream, "--all", "--dry-run")


def test_a_partition_that_is_not_there_is_named_at_once(stream: Stream) -> None:
    with pytest.raises(TopicsUnfit, match=r"\[99\]"):
        list(read_partitions(stream.kafka, stream.kafka.raw_topic, {99: 0}))


@EMBEDDED
def test_what_stands_before_the_torn_end_of_a_file_is_confirmed_and_counted(stream: Stream, tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(b"so happy %d\n" % number for number in range(5000)))
    (tmp_path / "torn.gz").write_bytes(whole[: len(whole) // 2])
    command = [sys.executable, "-m", "worker", "produce", str(tmp_path / "torn.gz")]
    told = subprocess.run(command, env=stream.environment(), capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "torn.gz" in told.stderr.splitlines()[-1]
    assert 0 < raw_records(stream) < 5000
    assert f"{raw_records(stream)} tweets confirmed" in told.stderr


@EMBEDDED
def test_a_redrive_needs_to_be_told_which(stream: Stream) -> None:
    command = [sys.executable, "-m", "worker", "dead", "redrive", "--yes"]
    assert subprocess.run(command, env=stream.environment(), capture_output=True, check=False).returncode == 2
    command += ["--id", "none", "--reason", "not_json"]
    told = subprocess.run(command, env=stream.environment(), capture_output=True, check=False, text=True)
    assert told.stderr == f"Error: no dead letter none of not_json on {stream.kafka.dead_topic}\n"


assert PARTITIONS == 4, "offsets in these tests are counted on four partitions"


def test_a_header_whose_name_is_not_utf8_stops_nothing_and_its_letter_goes_back(stream: Stream) -> None:
    asyncio.run(send(stream.kafka, batch_of(b"so happy", BAD), 0))
    stream.produce(GOOD[:8])
    stream.start()
    _, (letter,) = stream.check_exact(10)
    assert letter["headers"] == [{"name": r"\xffabc", "value": "dg=="}]
    assert "1 sent back" in redrive(stream, "--all", "--yes")
    stream.check_exact(11)
