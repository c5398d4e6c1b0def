"""Publishing through librdkafka: idempotent, acks=all, a batch at a time, returned only when the brokers confirmed."""

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from worker.errors import BrokerRefused, PublishFailed
from worker.rights import WHERE_TOLD

DeliveryCallback = Callable[[KafkaError | None, Message], None]


LARGEST_REQUEST_BYTES = 100_000_000
"""The topic's own bound decides how large a record may be."""


class Record(NamedTuple):
    """One record to publish to a fixed partition."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


class Publisher:
    """A producer that publishes whole batches in order.

    Args:
        config: connection part of the librdkafka configuration.
        delivery_timeout_s: how long a record may stay unconfirmed before the batch counts as failed.
    """

    def __init__(self, config: dict[str, str | int | float | bool], delivery_timeout_s: float) -> None:
        self._timeout_s = delivery_timeout_s
        self._producer = Producer(
            {
                **config,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 1,
                "compression.type": "lz4",
                "message.max.bytes": LARGEST_REQUEST_BYTES,
                "message.timeout.ms": int(delivery_timeout_s * 1000),
            }
        )

    def publish(self, records: Sequence[Record]) -> None:
        """Send the records and wait until each is confirmed. Blocks; call it off the event loop.

        Raises:
            PublishFailed: at least one record was refused or not confirmed in time. Others may have been written.
            BrokerRefused: the same, for want of the right to write.
        """
        failures: list[str] = []
        forbidden: set[str] = set()

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                failures.append(f"{message.topic()}[{message.partition()}]: {error.str()}")
                if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                    forbidden.add(str(message.topic()))

        for record in records:
            try:
                self._produce(record, delivered)
            except BufferError:
                self._produce_when_there_is_room(record, delivered)
            except KafkaException as error:
                failures.append(f"{record.topic}[{record.partition}]: {error.args[0].str()}")
        remaining = self._producer.flush(self._timeout_s + 5)
        if forbidden:
            raise BrokerRefused(f"no right to Write on {', '.join(sorted(forbidden))}; {WHERE_TOLD}")
        if failures or remaining:
            reason = failures[0] if failures else "no answer from the brokers"
            raise PublishFailed(f"{len(failures) + remaining} of {len(records)} records not confirmed; first: {reason}")

    def _produce(self, record: Record, delivered: DeliveryCallback) -> None:
        topic, partition, key, value, headers = record
        if headers:
            self._producer.produce(topic, value, key, partition, delivered, headers=list(headers))
        else:
            self._producer.produce(topic, value, key, partition, delivered)

    def _produce_when_there_is_room(self, record: Record, delivered: DeliveryCallback) -> None:
        deadline = time.monotonic() + self._timeout_s
        while time.monotonic() < deadline:
            self._producer.poll(0.1)
            with contextlib.suppress(BufferError):
                return self._produce(record, delivered)
        raise PublishFailed("the producer's queue stays full; is the broker away?")
