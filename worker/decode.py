"""From the bytes of a raw record to a tweet, or to the reason why there is none."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError

from schemas.dead_letter import Reason
from schemas.tweet import LONGEST_NAME_CHARS, RawTweet, looks_like_v1, read_time

_FRAMED, _FRAME_BYTES = b"\0", 5
"""A zero and the schema's number (Confluent documentation, "Schema Registry: wire format")."""
_LONG_TEXTS = frozenset({"note_tweet", "includes"})
"""Where the v2 API keeps the whole of a text that is cut."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a record has no label; the sentence is for a person."""

    reason: Reason
    detail: str


_NO_JSON_IN_FRAME = Failure(Reason.WRONG_SHAPE, "in the frame of a schema registry stands no JSON (Avro, Protobuf?)")


class Tweet(NamedTuple):
    """What the worker needs of a `RawTweet`."""

    text: str
    id: str | None = None
    author_id: str | None = None
    created_at: datetime | None = None
    lang: str | None = None


def decode(value: bytes | None, *, max_text_chars: int) -> Tweet | Failure:
    """Read one raw value. Total: every ``bytes`` gives a tweet or a failure, never an exception.

    A value that begins with ``{`` claims to be JSON and must be. One that begins with ``"`` or ``[`` is read as JSON
    if it is JSON, and as plain text otherwise: tweets begin with quotes and brackets too. JSON may come in the frame
    of a schema registry's serialisers; Avro and Protobuf in it are not read, nor taken for text.
    """
    if not value or value == b"null":
        return Failure(Reason.EMPTY_VALUE, "the record has no value")
    is_framed = value[:1] == _FRAMED and len(value) > _FRAME_BYTES
    if is_framed:
        value = value[_FRAME_BYTES:]
    if value[:1] == b"{":
        try:
            return read_tweet(orjson.loads(value), max_text_chars)
        except orjson.JSONDecodeError:
            pass  # the lenient way below says what it is
    try:
        text = value.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _NO_JSON_IN_FRAME if is_framed else Failure(Reason.NOT_UTF8, f"byte {error.start} is not UTF-8")
    parsed = _parse(value, text)
    if is_framed and parsed is text:
        return _NO_JSON_IN_FRAME
    return parsed if isinstance(parsed, Failure) else read_tweet(parsed, max_text_chars)


def _parse(value: bytes, text: str) -> Any:
    start = text.lstrip()[:1]
    if start not in ("{", '"', "["):
        return text
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return _parse_leniently(text, claimed=start == "{")


def _parse_leniently(text: str, *, claimed: bool) -> Any:
    """The standard library takes what orjson refuses: lone surrogates, NaN, control characters, a byte order mark."""
    try:
        return json.loads(text, strict=False)
    except RecursionError:
        return Failure(Reason.TOO_DEEP, "the JSON is nested too deeply")
    except ValueError as error:
        return Failure(Reason.NOT_JSON, f"begins like JSON but is none: {error}"[:200]) if claimed else text


def read_tweet(parsed: Any, max_text_chars: int) -> Tweet | Failure:
    """Read one decoded value."""
    if not isinstance(parsed, str | dict):
        return Failure(Reason.WRONG_SHAPE, f"a JSON object or string is wanted, this is {type(parsed).__name__}")
    tweet = plain_tweet(parsed) or model_tweet(parsed)
    if tweet is None:
        return Failure(Reason.MISSING_TEXT, "no field `text` (or `full_text`, `data.text`) that holds a string")
    if not tweet.text or tweet.text.isspace():
        return Failure(Reason.EMPTY_TEXT, "the text is empty")
    if len(tweet.text) > max_text_chars:
        return Failure(Reason.TEXT_TOO_LONG, f"the text has {len(tweet.text)} characters, {max_text_chars} are allowed")
    return tweet


def model_tweet(parsed: Any) -> Tweet | None:
    """What `RawTweet` makes of it, in all its shapes; None where it finds no text."""
    try:
        tweet = RawTweet.model_validate(parsed)
    except ValidationError:
        return None
    return Tweet(tweet.text, tweet.id or None, tweet.author_id, tweet.created_at, tweet.lang)


def plain_tweet(parsed: Any) -> Tweet | None:
    """The same without pydantic, for the shapes that most tweets have; None for all others."""
    if isinstance(parsed, str):
        return Tweet(parsed)
    text = parsed.get("text")
    if not isinstance(text, str) or looks_like_v1(parsed) or not _LONG_TEXTS.isdisjoint(parsed):
        return None
    fields = [parsed.get(name) for name in ("id", "author_id", "lang")]
    if not all(field is None or (isinstance(field, str) and len(field) <= LONGEST_NAME_CHARS) for field in fields):
        return None
    moment = parsed.get("created_at")
    tweet_id, author_id, lang = fields
    return Tweet(text, tweet_id or None, author_id, None if moment is None else read_time(moment), lang)
