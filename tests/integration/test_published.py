"""What stands on the output topics, read from their ends, on a real broker."""

import json
from collections.abc import Callable, Iterable

import pytest
from confluent_kafka import Producer

from schemas.emotions import EMOTIONS
from tests.stream import Stream, ordered_producer, read_values
from worker.errors import TopicsUnfit
from worker.published import PublishedTail
from worker.publisher import Publisher, Record
from worker.records import Counted

pytestmark = pytest.mark.integration

MOMENT, MOMENT_S = "2026-01-02T03:04:05Z", 1_767_323_045.0


@pytest.fixture
def write(stream: Stream) -> Callable[[str, int, Iterable[bytes]], None]:
    """Puts values on a topic's partition, in order, and waits until they stand there."""

    def write(topic: str, partition: int, values: Iterable[bytes]) -> None:
        producer: Producer = ordered_producer(stream.kafka)
        for value in values:
            producer.produce(topic, value, partition=partition)
        assert producer.flush(30) == 0

    return write


def outcome(stream: Stream, offset: int, partition: int = 0, **more: object) -> bytes:
    source = {"topic": stream.kafka.raw_topic, "partition": partition, "offset": offset}
    return json.dumps({"source": source, "event_time": MOMENT} | more).encode()


def labelled(stream: Stream, offset: int, partition: int = 0) -> bytes:
    label = EMOTIONS[offset % len(EMOTIONS)]
    return outcome(stream, offset, partition, label=label, confidence=0.5, abstained=offset % 2 == 0)


def published(stream: Stream, starts: dict[int, int]) -> dict[tuple[int, int], Counted]:
    return PublishedTail(stream.kafka).read(starts, {}).outcomes


def test_events_and_dead_letters_from_the_start_on_are_found_and_older_ones_are_not(
    stream: Stream, write: Callable[[str, int, Iterable[bytes]], None]
) -> None:
    stream.produce([b"x"] * 40)
    write(stream.kafka.emotion_topic, 0, (labelled(stream, offset) for offset in (3, 4, 6)))
    write(stream.kafka.dead_topic, 0, [outcome(stream, 5, reason="not_json")])
    write(stream.kafka.emotion_topic, 1, [labelled(stream, 2, partition=1)])
    assert published(stream, {0: 4, 1: 3, 2: 0}) == {
        (0, 4): Counted(MOMENT_S, 4, 0.5, abstained=True),
        (0, 5): Counted(MOMENT_S, None),
        (0, 6): Counted(MOMENT_S, 0, 0.5, abstained=True),
    }


def test_it_reads_as_far_back_as_the_start_lies(
    stream: Stream, write: Callable[[str, int, Iterable[bytes]], None]
) -> None:
    stream.produce([b"x"] * 4 * 3_000)
    write(stream.kafka.emotion_topic, 0, (labelled(stream, offset) for offset in range(3_000)))
    found = published(stream, {0: 100})
    assert sorted(found) == [(0, offset) for offset in range(100, 3_000)]


def test_what_others_wrote_on_our_topic_says_nothing(
    stream: Stream, write: Callable[[str, int, Iterable[bytes]], None]
) -> None:
    stream.produce([b"x"] * 40)
    elsewhere = json.dumps({"source": {"topic": "other", "partition": 0, "offset": 1}, "event_time": MOMENT}).encode()
    foreign = [
        b"",
        b"{cut",
        b"[1]",
        b'{"source": 7}',
        elsewhere,
        labelled(stream, 1, partition=3),
        outcome(stream, 1, label="bliss", confidence=1, abstained=False),
        outcome(stream, 1, event_time="yesterday"),
    ]
    write(stream.kafka.emotion_topic, 0, [*foreign, labelled(stream, 2)])
    assert list(published(stream, {0: 0})) == [(0, 2)]


def test_a_start_behind_the_end_of_the_raw_topic_is_refused_with_what_to_do(stream: Stream) -> None:
    stream.produce([b"x"] * 40)
    assert published(stream, {0: 10}) == {}
    with pytest.raises(TopicsUnfit, match=r"offset 10 of .*\.raw\[0\] is counted, but it ends at \d+: .*--app-id"):
        published(stream, {0: 11})


def test_a_raw_topic_with_another_id_than_was_counted_or_last_published_is_refused_unless_it_was_moved(
    stream: Stream, write: Callable[[str, int, Iterable[bytes]], None]
) -> None:
    stream.produce([b"x"] * 40)
    tail, moved = PublishedTail(stream.kafka), PublishedTail(stream.kafka, moved=True)
    topic_id = tail.read({0: 4}, {0: None}).topic_id
    assert topic_id is not None
    assert tail.read({0: 4}, {0: topic_id}) == (topic_id, {})
    with pytest.raises(TopicsUnfit, match=r"what was counted of partition 0 is of before: .*--raw-topic-moved"):
        tail.read({0: 4}, {0: "before"})
    assert moved.read({0: 4}, {0: "before"}) == (topic_id, {})
    write(stream.kafka.dead_topic, 0, [of_topic("before", stream, 3)])
    with pytest.raises(TopicsUnfit, match=r"what was published of partition 0 is of before"):
        tail.read({0: 4}, {0: topic_id})
    assert tail.read({1: 4}, {}) == (topic_id, {})
    assert moved.read({0: 4}, {0: topic_id}) == (topic_id, {})
    write(stream.kafka.emotion_topic, 0, [of_topic(topic_id, stream, 4)])
    assert list(tail.read({0: 4}, {0: topic_id}).outcomes) == [(0, 4)]


def test_more_records_than_the_producer_may_hold_are_all_published_in_their_order(stream: Stream) -> None:
    values = [b'{"number": %d}' % number for number in range(2_000)]
    publisher = Publisher(stream.kafka.client_config() | {"queue.buffering.max.messages": 100}, 30.0)
    publisher.publish([Record(stream.kafka.emotion_topic, 0, None, value) for value in values])
    assert list(read_values(stream.kafka, stream.kafka.emotion_topic)) == values


def of_topic(topic_id: str, stream: Stream, offset: int) -> bytes:
    source = {"topic": stream.kafka.raw_topic, "partition": 0, "offset": offset, "topic_id": topic_id}
    return outcome(stream, offset, source=source, label="joy", confidence=0.5, abstained=False)
