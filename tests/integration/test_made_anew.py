"""A raw topic that was made anew and holds more than was counted: a worker does not take it for the old one."""

from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient

from tests.stream import PARTITIONS, Stream, tweets, wait_for
from worker.commands.topics import create_topics
from worker.errors import TopicsUnfit

pytestmark = [pytest.mark.integration, pytest.mark.slow_on_apache]


def make_anew(stream: Stream, *topics: str) -> None:
    admin = AdminClient(stream.kafka.client_config())
    for gone in admin.delete_topics(list(topics)).values():
        gone.result()
    wait_for(lambda: topics if admin.list_topics().topics.keys().isdisjoint(topics) else None, 30)
    create_topics(stream.kafka, stream.worker, partitions=PARTITIONS)


def outputs(stream: Stream) -> tuple[str, ...]:
    return stream.kafka.emotion_topic, stream.kafka.dead_topic


def changelog(stream: Stream) -> tuple[str, ...]:
    return (stream.worker.changelog_topic,)


@pytest.mark.parametrize(("besides", "known_by"), [(outputs, "counted"), (changelog, "published")])
def test_a_worker_goes_on_with_no_other_raw_topic_than_that_which_it_counted_or_labelled(
    stream: Stream, besides: Callable[[Stream], tuple[str, ...]], known_by: str
) -> None:
    stream.produce(tweets(40))
    stream.start()
    events, _ = stream.check_exact(40)
    assert len({event["source"]["topic_id"] for event in events} - {None}) == 1
    assert stream.terminate() == 0
    make_anew(stream, stream.kafka.raw_topic, *besides(stream))
    stream.produce(tweets(80))
    stream.start()
    assert stream.ended() == TopicsUnfit.exit_code
    said = stream.log.read_text()
    assert f"but what was {known_by} of partition" in said
    assert "the topic was made anew" in said


def test_a_raw_topic_that_was_moved_with_its_offsets_is_gone_on_with(stream: Stream) -> None:
    stream.produce(tweets(40))
    stream.start()
    stream.check_exact(40)
    stream.terminate()
    make_anew(stream, stream.kafka.raw_topic)
    stream.produce(tweets(80))
    stream.start("--raw-topic-moved")
    stream.check_exact(80)
    stream.terminate()
    stream.produce(tweets(40))
    stream.start()
    stream.check_exact(120)
