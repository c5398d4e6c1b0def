"""What a follower makes of records and answers of the brokers."""

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from confluent_kafka import KafkaError, KafkaException

from worker.counts import new_row
from worker.follower import Follower
from worker.settings import KafkaSettings

KEY = (0, (0.0, 9.9))
ROW = new_row() | {"o": 4, "done": 4}


def follower_of(view: Any) -> Follower:
    return Follower(KafkaSettings(), "changelog", 2, view)


def record(*, key: bytes | None = None, value: bytes | None = None, error: int | None = None) -> Any:
    """A record of partition 1 of the changelog, or an error in its place."""
    failed = None if error is None else KafkaError(error)
    return SimpleNamespace(
        partition=lambda: 1, offset=lambda: 0, error=lambda: failed, key=lambda: key, value=lambda: value
    )


def test_rows_tombstones_and_the_end_of_a_partition_reach_the_view() -> None:
    told: list[Any] = []
    view = SimpleNamespace(apply=lambda *row: told.append(row), read_to_its_end=told.append)
    follower = follower_of(view)
    for one in (
        record(key=orjson.dumps(KEY), value=orjson.dumps(ROW)),
        record(key=orjson.dumps(KEY)),
        record(error=KafkaError._PARTITION_EOF),
        record(error=KafkaError.TOPIC_AUTHORIZATION_FAILED),
    ):
        follower._take(one)
    assert told == [(KEY, ROW), (KEY, None), 1]


@pytest.mark.parametrize(
    ("key", "value"),
    [(None, b"{}"), (b"no row of ours", b"{}"), (b"[0]", b"{}"), (b"7", b"{}"), (orjson.dumps(KEY), b"no JSON")],
)
def test_foreign_records_are_passed_over(key: bytes | None, value: bytes) -> None:
    follower_of(SimpleNamespace())._take(record(key=key, value=value))


def test_an_end_that_a_broker_does_not_tell_is_left_out() -> None:
    known: Future[Any] = Future()
    known.set_result(SimpleNamespace(offset=9))
    unknown: Future[Any] = Future()
    unknown.set_exception(KafkaException(KafkaError(KafkaError._TRANSPORT)))
    answers = [known, unknown]
    admin: Any = SimpleNamespace(list_offsets=lambda places, **_: dict(zip(places, answers, strict=True)))
    assert follower_of(SimpleNamespace())._ask_for_ends(admin) == {0: 9}
