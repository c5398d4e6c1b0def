"""Reading a topic from outside a group: nothing is committed, nobody is disturbed."""

import time
from collections.abc import Iterator

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, Message, TopicPartition

from worker.errors import BrokerUnreachable, TopicsUnfit
from worker.preflight import wait_for_broker
from worker.settings import KafkaSettings

_POLL_S = 0.2
_SILENCE_S = 30.0


def read_topic(kafka: KafkaSettings, topic: str, *, from_beginning: bool, follow: bool) -> Iterator[Message]:
    """Messages of all partitions; with ``follow`` for ever, else up to the ends as they were when it began.

    Raises:
        TopicsUnfit: the topic does not exist.
        BrokerUnreachable: no broker answers.
    """
    metadata = wait_for_broker(kafka)
    if topic not in metadata.topics:
        raise TopicsUnfit(f"no topic {topic}; create it with `python -m worker topics`")
    partitions = list(metadata.topics[topic].partitions)
    start = OFFSET_BEGINNING if from_beginning else OFFSET_END
    yield from read_partitions(kafka, topic, dict.fromkeys(partitions, start), follow=follow)


def read_partitions(kafka: KafkaSettings, topic: str, starts: dict[int, int], *, follow: bool) -> Iterator[Message]:
    """Messages of some partitions, each from its start offset."""
    consumer = Consumer(kafka.reader_config())
    consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in starts.items()])
    unread = set(starts)
    heard_at = time.monotonic()
    try:
        while follow or unread:
            for message in consumer.consume(500, _POLL_S):
                heard_at = time.monotonic()
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the documented name
                    unread.discard(message.partition())
            if unread and time.monotonic() - heard_at > _SILENCE_S:
                raise BrokerUnreachable(f"partitions {sorted(unread)} of {topic} say nothing for {_SILENCE_S:.0f} s")
    finally:
        consumer.close()
