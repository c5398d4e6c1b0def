import json
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.dead_letter import Reason
from worker.decode import Failure, Tweet, decode, model_tweet, plain_tweet

LIMIT = 25_000


def read(value: bytes | None) -> Tweet | Failure:
    return decode(value, max_text_chars=LIMIT)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.EMPTY_VALUE),
        (b"", Reason.EMPTY_VALUE),
        (b"null", Reason.EMPTY_VALUE),
        (b"caf\xe9 was lovely", Reason.NOT_UTF8),
        (b'{"text": "cut', Reason.NOT_JSON),
        (b"[1, 2]", Reason.WRONG_SHAPE),
        (b'{"text": 5}', Reason.MISSING_TEXT),
        (b'{"body": "no text field"}', Reason.MISSING_TEXT),
        (b'{"text": null}', Reason.MISSING_TEXT),
        (b'{"text": "  \\n "}', Reason.EMPTY_TEXT),
        (b"   ", Reason.EMPTY_TEXT),
        (b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", Reason.TOO_DEEP),
        (b'\x00\x00\x00\x00\x07\x08"1901"4I hate you, leave me alone', Reason.WRONG_SHAPE),
        (b"\x00\x00\x00\x00\x07  ", Reason.WRONG_SHAPE),
        (b'\x00\x00\x00\x00\x07"12345678901234567&I hate this so much\x04en', Reason.WRONG_SHAPE),
        (b"\x00\x00\x00\x00\x07\xff\xfe", Reason.WRONG_SHAPE),
        (json.dumps({"text": "so happy " * 120_000}).encode(), Reason.TEXT_TOO_LONG),
    ],
)
def test_a_bad_value_becomes_a_failure_that_says_why(value: bytes | None, reason: Reason) -> None:
    failure = read(value)
    assert isinstance(failure, Failure)
    assert failure.reason is reason
    assert failure.detail


RETWEET = (
    b'{"data": {"id": "2", "text": "RT @a: cut", "referenced_tweets": [{"type": "retweeted", "id": "1"}]},'
    b' "includes": {"tweets": [{"id": "0", "text": "another"}, {"id": "1", %s}]}}'
)


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
        (b'\x00\x00\x00\x00\x07{"text": "framed by a schema registry"}', "framed by a schema registry"),
        (b'\x00\x00\x00\x00\x07\n {"text": "framed too"}', "framed too"),
        (b'\x00\x00\x00\x00\x07"a framed string"', "a framed string"),
        (b'{"data": {"id": "1", "text": "api v2"}}', "api v2"),
        (b'{"id_str": "1", "full_text": "api v1.1", "user": {"id_str": "9"}}', "api v1.1"),
        (b'{"id_str": "1", "text": "cut", "extended_tweet": {"full_text": "the whole"}}', "the whole"),
        (
            b'{"id": 2, "text": "RT @a: cut", "retweeted_status": {"id_str": "1", "full_text": "the whole"}}',
            "the whole",
        ),
        (b'{"id": 2, "text": "RT @a: cut", "retweeted_status": {"id_str": "1"}}', "RT @a: cut"),
        (b'{"id": "2", "text": "cut", "note_tweet": {"text": "the whole"}}', "the whole"),
        (b'{"data": {"id": "2", "text": "cut", "note_tweet": {"text": "the whole"}}}', "the whole"),
        (RETWEET % b'"text": "the whole"', "the whole"),
        (RETWEET % b'"text": "cut", "note_tweet": {"text": "the whole"}', "the whole"),
        (RETWEET % b'"text": 5', "RT @a: cut"),
        (RETWEET.replace(b'"id": "1"}]', b'"id": 1}]') % b'"text": "the whole"', "the whole"),
        (b'{"text": "hello there", "note_tweet": {"text": 5}}', "hello there"),
    ],
)
def test_every_shape_that_producers_send_is_read(value: bytes, text: str) -> None:
    tweet = read(value)
    assert isinstance(tweet, Tweet)
    assert tweet.text == text


@pytest.mark.parametrize(
    "clock",
    [
        *("9e99", '"yesterday"', "true", "[]", '"0000-00-00"', "-99999999999999999"),
        *('"Sat Mar 14 09:26:53 CET 2026"', '"Mar 14, 2026 9:26:53 PM"', '"Sat Mar 14 09:26:53 GMT+01:00 2026"'),
    ],
)
def test_an_absurd_clock_does_not_lose_the_tweet(clock: str) -> None:
    tweet = read(b'{"text": "hello there", "created_at": %s}' % clock.encode())
    assert isinstance(tweet, Tweet)
    assert tweet.created_at is None


@pytest.mark.parametrize(
    "clock",
    [
        '"2015-02-24T19:35:52Z"',
        '"2015-02-24 11:35:52 -0800"',
        '"2015-02-24T11:35:52.000-08:00"',
        '"Tue Feb 24 19:35:52 +0000 2015"',
        '"Tue, 24 Feb 2015 19:35:52 GMT"',
        '"Tue, 24 Feb 2015 14:35:52 EST"',
        '"Tue, 24 Feb 2015 19:35:52 -0000"',
        '"Tue Feb 24 19:35:52 2015"',
        "1424806552",
        "1424806552000",
    ],
)
def test_the_clocks_that_producers_send_are_one_moment(clock: str) -> None:
    tweet = read(b'{"text": "hello there", "created_at": %s}' % clock.encode())
    assert isinstance(tweet, Tweet)
    assert tweet.created_at == datetime(2015, 2, 24, 19, 35, 52, tzinfo=UTC)


@given(st.binary(max_size=300) | st.text(max_size=100).map(lambda t: json.dumps({"text": t}).encode()))
def test_no_bytes_raise(value: bytes) -> None:
    assert isinstance(read(value), Tweet | Failure)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
TIMES = SCALARS | st.sampled_from(["2024-05-01T10:00:00Z", "Wed Oct 10 20:19:24 +0000 2018", "2024-05-01", "\ud83d"])
TEXTS = st.text(max_size=20) | st.sampled_from(["half \ud83d", " ", "", "NUL \x00"])
NESTED = st.dictionaries(st.sampled_from(["full_text", "id", "id_str", "text", "type"]), SCALARS | TEXTS, max_size=3)
SHAPES = st.dictionaries(
    st.sampled_from(
        ["text", "id", "author_id", "lang", "created_at", "data", "user", "id_str", "full_text", "other"]
        + ["note_tweet", "retweeted_status", "referenced_tweets", "includes"]
    ),
    TEXTS | TEXTS | SCALARS | TIMES | NESTED,
    max_size=7,
)


@given(SHAPES | TEXTS)
@example({"text": "so happy", "id": "1" * 501})
def test_the_short_way_reads_what_the_model_reads(parsed: object) -> None:
    tweet = plain_tweet(parsed)
    assert tweet is None or tweet == model_tweet(parsed)


@given(SHAPES.map(lambda shape: {"text": "so happy", **shape}))
def test_most_tweets_go_the_short_way(parsed: dict[str, object]) -> None:
    plain = {name: parsed[name] for name in parsed if name in {"text", "created_at", "other"}}
    if isinstance(plain["text"], str):
        assert plain_tweet(plain) == model_tweet(plain) is not None


@given(SHAPES)
def test_bytes_are_read_as_what_they_hold(parsed: dict[str, object]) -> None:
    value = json.dumps(parsed).encode()
    try:
        wanted = model_tweet(orjson.loads(value))
    except orjson.JSONDecodeError:  # the lenient way is tested above
        return
    tweet = read(value)
    assert isinstance(tweet, Failure) if wanted is None or not wanted.text.strip() else tweet == wanted


def test_a_text_may_be_as_long_as_the_limit_and_no_longer() -> None:
    assert isinstance(read(b"a" * LIMIT), Tweet)
    assert isinstance(read(b"a" * (LIMIT + 1)), Failure)
