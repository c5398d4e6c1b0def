"""A neighbour that writes to the raw topic in transactions and takes them back: no outcome may follow."""

import threading
from random import Random
from typing import Self

from confluent_kafka import KafkaException, Producer

from worker.settings import KafkaSettings

_TWEETS = 20
_LONGEST_OPEN_S = 1.0
_TIMEOUT_S = 10
"""So long a transaction stays open whose producer or broker died, and holds back what stands behind it."""


class Aborting:
    """Begins transactions and aborts them, in a thread of its own."""

    def __init__(self, kafka: KafkaSettings, seed: int) -> None:
        self.tweets = 0
        """Those that stood on the topic when they were aborted."""
        self._topic, self._random = kafka.raw_topic, Random(seed)
        self._config = kafka.client_config() | {
            "transactional.id": f"{kafka.raw_topic}-aborting",
            "transaction.timeout.ms": _TIMEOUT_S * 1000,
        }
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="aborting")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._abort_again_and_again()
            except KafkaException:
                self._stopping.wait(_LONGEST_OPEN_S)  # the broker is being broken, and with it the transaction

    def _abort_again_and_again(self) -> None:
        producer = Producer(self._config)
        producer.init_transactions(_TIMEOUT_S)
        while not self._stopping.is_set():
            producer.begin_transaction()
            for number in range(_TWEETS):
                producer.produce(self._topic, f"aborted {number}, so happy", str(number))
            unsent = producer.flush(_TIMEOUT_S)
            self._stopping.wait(self._random.uniform(0, _LONGEST_OPEN_S))
            producer.abort_transaction(_TIMEOUT_S)
            self.tweets += _TWEETS - unsent
