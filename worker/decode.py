"""From the bytes of a raw record to a tweet, or to the reason why there is none."""

import json
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import ValidationError

from schemas.dead_letter import Reason
from schemas.tweet import RawTweet


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a record has no label; the sentence is for a person."""

    reason: Reason
    detail: str


def decode(value: bytes | None, *, max_text_chars: int) -> RawTweet | Failure:
    """Read one raw value. Total: every ``bytes`` gives a tweet or a failure, never an exception.

    A value that begins with ``{`` claims to be JSON and must be. One that begins with ``"`` or ``[`` is read as JSON
    if it is JSON, and as plain text otherwise: tweets begin with quotes and brackets too.
    """
    if not value:
        return Failure(Reason.EMPTY_VALUE, "the record has no value")
    try:
        text = value.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return Failure(Reason.NOT_UTF8, f"byte {error.start} is not UTF-8")
    parsed = _parse(value, text)
    return parsed if isinstance(parsed, Failure) else _read(parsed, max_text_chars)


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


def _read(parsed: Any, max_text_chars: int) -> RawTweet | Failure:
    if not isinstance(parsed, str | dict):
        return Failure(Reason.WRONG_SHAPE, f"a JSON object or string is wanted, this is {type(parsed).__name__}")
    try:
        tweet = RawTweet.model_validate(parsed)
    except ValidationError:
        return Failure(Reason.MISSING_TEXT, "no field `text` (or `full_text`, `data.text`) that holds a string")
    if not tweet.text.strip():
        return Failure(Reason.EMPTY_TEXT, "the text is empty")
    if len(tweet.text) > max_text_chars:
        return Failure(Reason.TEXT_TOO_LONG, f"the text has {len(tweet.text)} characters, {max_text_chars} are allowed")
    return tweet
