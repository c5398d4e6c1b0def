import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.dead_letter import Reason
from schemas.tweet import RawTweet
from worker.decode import Failure, decode

LIMIT = 25_000


def read(value: bytes | None) -> RawTweet | Failure:
    return decode(value, max_text_chars=LIMIT)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.EMPTY_VALUE),
        (b"", Reason.EMPTY_VALUE),
        (b"caf\xe9 was lovely", Reason.NOT_UTF8),
        (b'{"text": "cut', Reason.NOT_JSON),
        (b"[1, 2]", Reason.WRONG_SHAPE),
        (b'{"text": 5}', Reason.MISSING_TEXT),
        (b'{"body": "no text field"}', Reason.MISSING_TEXT),
        (b'{"text": null}', Reason.MISSING_TEXT),
        (b'{"text": "  \\n "}', Reason.EMPTY_TEXT),
        (b"   ", Reason.EMPTY_TEXT),
        (b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", Reason.TOO_DEEP),
        (json.dumps({"text": "so happy " * 120_000}).encode(), Reason.TEXT_TOO_LONG),
    ],
)
def test_a_bad_value_becomes_a_failure_that_says_why(value: bytes | None, reason: Reason) -> None:
    failure = read(value)
    assert isinstance(failure, Failure)
    assert failure.reason is reason
    assert failure.detail


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"plain words", "plain words"),
        (b'"a JSON string"', "a JSON string"),
        (b'"Finally!" she said', '"Finally!" she said'),
        (b"[live] what a goal", "[live] what a goal"),
        (b'\xef\xbb\xbf{"text": "with a byte order mark"}', "with a byte order mark"),
        (b'{"text": "half an emoji \\ud83d here"}', "half an emoji \ud83d here"),
        (b'{"text": "raw\ttab"}', "raw\ttab"),
        (b'{"data": {"id": "1", "text": "api v2"}}', "api v2"),
        (b'{"id_str": "1", "full_text": "api v1.1", "user": {"id_str": "9"}}', "api v1.1"),
        (b'{"id_str": "1", "text": "cut", "extended_tweet": {"full_text": "the whole"}}', "the whole"),
    ],
)
def test_every_shape_that_producers_send_is_read(value: bytes, text: str) -> None:
    tweet = read(value)
    assert isinstance(tweet, RawTweet)
    assert tweet.text == text


@pytest.mark.parametrize("clock", ["9e99", '"yesterday"', "true", "[]", '"0000-00-00"', "-99999999999999999"])
def test_an_absurd_clock_does_not_lose_the_tweet(clock: str) -> None:
    tweet = read(b'{"text": "hello there", "created_at": %s}' % clock.encode())
    assert isinstance(tweet, RawTweet)
    assert tweet.created_at is None


@pytest.mark.parametrize(
    "clock",
    [
        '"2015-02-24T19:35:52Z"',
        '"2015-02-24 11:35:52 -0800"',
        '"2015-02-24T11:35:52.000-08:00"',
        '"Tue Feb 24 19:35:52 +0000 2015"',
        '"Tue, 24 Feb 2015 19:35:52 GMT"',
        "1424806552",
        "1424806552000",
    ],
)
def test_the_clocks_that_producers_send_are_one_moment(clock: str) -> None:
    tweet = read(b'{"text": "hello there", "created_at": %s}' % clock.encode())
    assert isinstance(tweet, RawTweet)
    assert tweet.created_at == datetime(2015, 2, 24, 19, 35, 52, tzinfo=UTC)


@given(st.binary(max_size=300) | st.text(max_size=100).map(lambda t: json.dumps({"text": t}).encode()))
def test_no_bytes_raise(value: bytes) -> None:
    assert isinstance(read(value), RawTweet | Failure)
