"""What librdkafka refuses before any broker sees it."""

import pytest

from worker.errors import PublishFailed
from worker.publisher import Publisher, Record


def test_a_record_that_librdkafka_refuses_fails_the_batch_and_is_named() -> None:
    publisher = Publisher({"bootstrap.servers": "127.0.0.1:1"}, 0.1)
    with pytest.raises(PublishFailed, match=r"1 of 1 records not confirmed; first: raw\[3\]: .*large"):
        publisher.publish([Record("raw", 3, None, bytes(100_000_001))])
