import time

import pytest

from worker.errors import BrokerUnreachable
from worker.preflight import wait_for_broker
from worker.settings import KafkaSettings


def test_a_broker_has_all_of_the_time_that_it_was_given() -> None:
    started = time.monotonic()
    with pytest.raises(BrokerUnreachable, match=r"within 1\.2 s"):
        wait_for_broker(KafkaSettings(bootstrap_servers="127.0.0.1:1", broker_timeout_s=1.2))
    assert time.monotonic() - started >= 1.2
