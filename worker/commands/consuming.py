"""Reading a topic from outside a group: nothing is committed, nobody is disturbed."""

import time
from collections.abc import Iterator

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, Message, TopicPartition

from worker.errors import BrokerUnreachable, TopicsUnfit
from worker.preflight import partitions_of
from worker.settings import KafkaSettings

_LASTING = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - the documented name
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 - as above
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
}
_POLL_S = 0.2
_SILENCE_S = 30.0


def read_topic(kafka: KafkaSettings, topic: str, *, from_beginning: bool, follow: bool) -> Iterator[Message]:
    """Messages of all partitions; with ``follow`` for ever, else up to the ends as they were when it began.

    Raises:
        TopicsUnfit: the topic does not exist.
        BrokerUnreachable: no broker answers.
    """
    start = OFFSET_BEGINNING if from_beginning else OFFSET_END
    yield from _read(kafka, topic, dict.fromkeys(partitions_of(kafka, topic), start), follow=follow)


def read_partitions(
    kafka: KafkaSettings, topic: str, starts: dict[int, int], *, uncommitted: bool = False
) -> Iterator[Message]:
    """Messages of some partitions, each from its start offset to its end.

    With ``uncommitted`` also what open and aborted transactions wrote, and all that stands behind an open one.

    Raises:
        TopicsUnfit: there is no such topic or partition.
        BrokerUnreachable: no broker answers.
    """
    if absent := starts.keys() - partitions_of(kafka, topic):
        raise TopicsUnfit(f"there is no {topic}[{min(absent)}]; was the topic made anew, with fewer partitions?")
    level = {"isolation.level": "read_uncommitted"} if uncommitted else {}
    yield from _read(kafka, topic, starts, follow=False, **level)


def _read(kafka: KafkaSettings, topic: str, starts: dict[int, int], *, follow: bool, **more: str) -> Iterator[Message]:
    consumer = Consumer(kafka.reader_config() | more)
    consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in starts.items()])
    unread = set(starts)
    heard_at = time.monotonic()
    try:
        while follow or unread:
            messages = consumer.consume(500, _POLL_S)
            for message in messages:
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the documented name
                    unread.discard(message.partition())
                elif error.code() in _LASTING:
                    raise TopicsUnfit(f"{topic} cannot be read any more: {error.str()}")
            if messages:
                heard_at = time.monotonic()  # whoever reads them may have been slow
            if unread and time.monotonic() - heard_at > _SILENCE_S:
                raise BrokerUnreachable(f"partitions {sorted(unread)} of {topic} say nothing for {_SILENCE_S:.0f} s")
    finally:
        consumer.close()
