import time
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import Uuid

from worker.errors import BrokerUnreachable
from worker.preflight import raw_topic_id, wait_for_broker
from worker.settings import KafkaSettings


def test_a_broker_has_all_of_the_time_that_it_was_given() -> None:
    started = time.monotonic()
    with pytest.raises(BrokerUnreachable, match=r"within 1\.2 s"):
        wait_for_broker(KafkaSettings(bootstrap_servers="127.0.0.1:1", broker_timeout_s=1.2))
    assert time.monotonic() - started >= 1.2


@pytest.mark.parametrize(
    ("servers", "reason"), [("127.0.0.1:1", "Connection refused"), ("nobody.invalid:9092", "Failed to resolve")]
)
def test_why_there_is_no_connection_is_told(servers: str, reason: str) -> None:
    with pytest.raises(BrokerUnreachable, match=reason):
        wait_for_broker(KafkaSettings(bootstrap_servers=servers, broker_timeout_s=2.5))


@pytest.mark.parametrize(("told", "known"), [(Uuid(0, 0), None), (Uuid(1, 2), "AAAAAAAAAAEAAAAAAAAAAg")])
def test_a_broker_without_ids_of_topics_tells_none(
    told: Uuid, known: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer: Future[Any] = Future()
    answer.set_result(SimpleNamespace(topic_id=told))
    kafka = KafkaSettings()
    admin = SimpleNamespace(describe_topics=lambda *_, **__: {kafka.raw_topic: answer})
    monkeypatch.setattr("worker.preflight.AdminClient", lambda _: admin)
    assert raw_topic_id(kafka) == known


def test_a_topic_whose_id_nobody_tells_is_said_to_be_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.preflight._DESCRIBED_WITHIN_S", 1.0)
    with pytest.raises(BrokerUnreachable, match=r"cannot ask for the id of tweets\.raw"):
        raw_topic_id(KafkaSettings(bootstrap_servers="127.0.0.1:1"))
