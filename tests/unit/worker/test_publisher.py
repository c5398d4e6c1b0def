"""What is published is confirmed, or the batch fails."""

from collections.abc import Mapping
from typing import Any

import pytest

from worker.errors import PublishFailed
from worker.publisher import Publisher, Record

NOWHERE: dict[str, str | int | float | bool] = {"bootstrap.servers": "127.0.0.1:1"}


def test_a_record_that_librdkafka_refuses_fails_the_batch_and_is_named() -> None:
    publisher = Publisher(NOWHERE, 0.1)
    with pytest.raises(PublishFailed, match=r"1 of 1 records not confirmed; first: raw\[3\]: .*large"):
        publisher.publish([Record("raw", 3, None, bytes(100_000_001))])


def test_records_that_no_broker_confirms_in_time_fail_the_batch_and_are_counted() -> None:
    publisher = Publisher(NOWHERE, 0.1)
    with pytest.raises(PublishFailed, match=r"2 of 2 records not confirmed; first: raw\[3\]: .*timed out"):
        publisher.publish([Record("raw", 3, None, b"so happy")] * 2)


class Silent:
    """A producer that takes everything and hears of nothing."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config, self.waiting = config, 0

    def produce(self, *_: Any) -> None:
        self.waiting += 1

    def flush(self, _: float) -> int:
        return self.waiting


def test_records_of_which_nothing_is_heard_fail_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.publisher.Producer", Silent)
    with pytest.raises(PublishFailed, match="2 of 2 records not confirmed; first: no answer"):
        Publisher(NOWHERE, 0.1).publish([Record("raw", 3, None, b"so happy")] * 2)


def test_all_replicas_must_confirm_and_a_request_that_is_repeated_writes_nothing_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.publisher.Producer", Silent)
    producer: Any = Publisher(NOWHERE, 0.1)._producer
    assert (producer.config["enable.idempotence"], producer.config["acks"]) == (True, "all")
