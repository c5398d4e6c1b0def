"""The tweets that flow while the stream is broken: seeded, some of them bad, at a rate."""

import threading
import time
from collections.abc import Iterator
from itertools import islice
from random import Random

import orjson
from confluent_kafka import KafkaError, Message, Producer

from schemas.dead_letter import Reason
from worker.settings import KafkaSettings

_MOODS = ("so happy", "what a sad day", "i am angry", "love this", "not afraid", "i am so afraid of the day")
BAD = {
    b"": Reason.EMPTY_VALUE,
    b"caf\xe9": Reason.NOT_UTF8,
    b'{"text": "cut': Reason.NOT_JSON,
    b"[1]": Reason.WRONG_SHAPE,
    b'{"body": 1}': Reason.MISSING_TEXT,
    b'{"text": " "}': Reason.EMPTY_TEXT,
    b"https://example.org/x": Reason.NO_WORDS,
}
"""What cannot be labelled, and why."""
_BAD_SHARE = 0.02
_AUTHORS = 500
_DELIVERY_S = 300
"""Longer than any outage of the scenario."""


def tweets(seed: int, count: int) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of each; an author's tweets share a key and so a partition."""
    random = Random(seed)
    for number in range(count):
        key = b"author-%d" % random.randrange(_AUTHORS)
        if random.random() < _BAD_SHARE:
            yield key, random.choice(list(BAD))
        else:
            yield key, orjson.dumps({"id": str(number), "text": f"{random.choice(_MOODS)} {random.randrange(5000)}"})


class Load:
    """Produces in a thread of its own, idempotently, until all is confirmed.

    Args:
        backlog: how many of the ``count`` tweets are sent at once, by `start`; the others follow at ``rate`` a second.
    """

    def __init__(self, kafka: KafkaSettings, seed: int, count: int, rate: float, backlog: int = 0) -> None:
        self.confirmed, self.failures = 0, list[str]()
        self._rate: float | None = rate
        self._backlog = backlog
        self._flowing = threading.Event()
        self._flowing.set()
        self._stopping = threading.Event()
        self._topic, self._tweets = kafka.raw_topic, tweets(seed, count)
        self._producer = Producer(
            kafka.client_config()
            | {"enable.idempotence": True, "linger.ms": 5, "message.timeout.ms": _DELIVERY_S * 1000}
            | {"partitioner": "murmur2_random"}
        )
        self._thread = threading.Thread(target=self._produce, name="load")

    def start(self) -> None:
        for key, value in islice(self._tweets, self._backlog):
            self._send(key, value)
        assert self._producer.flush(_DELIVERY_S) == 0
        self._thread.start()

    def hold(self) -> None:
        """Stop for a while; what is under way is confirmed first."""
        self._flowing.clear()
        assert self._producer.flush(_DELIVERY_S) == 0

    def go_on(self) -> None:
        self._flowing.set()

    def finish(self) -> int:
        """Send the rest as fast as it goes; returns how many were confirmed."""
        self._rate = None
        self._flowing.set()
        self._thread.join()
        assert not self.failures, self.failures[:3]
        return self.confirmed

    def abandon(self) -> None:
        self._stopping.set()
        self._flowing.set()
        self._thread.join()

    def _produce(self) -> None:
        due = time.monotonic()
        for key, value in self._tweets:
            if not self._flowing.is_set():
                self._flowing.wait()
                due = time.monotonic()
            if self._stopping.is_set():
                return
            self._send(key, value)
            if self._rate is not None:
                due += 1 / self._rate
                self._stopping.wait(max(0.0, due - time.monotonic()))
        self._producer.flush(_DELIVERY_S)

    def _send(self, key: bytes, value: bytes) -> None:
        while True:
            try:
                self._producer.produce(self._topic, value, key, on_delivery=self._delivered)
            except BufferError:
                self._producer.poll(0.1)
                continue
            self._producer.poll(0)
            return

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self.confirmed += 1
        else:
            self.failures.append(error.str())
