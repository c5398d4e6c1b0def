"""A raw tweet, read tolerantly: the shapes that real producers send all become one."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_V1_FIELDS = frozenset({"id_str", "full_text", "extended_tweet", "user", "retweeted_status"})
_V1_CREATED_AT = "%a %b %d %H:%M:%S %z %Y"
_SPACE_BEFORE_OFFSET = re.compile(r"(?<=\d)\s+(?=[+-]\d{2}:?\d{2}$)")
_NO_DAY_OR_MONTH = re.compile(
    r"\b(?!mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]", re.IGNORECASE
)
"""The beginning of any word but a day's or a month's name."""

LONGEST_TEXT_CHARS = 25_000
"""The platform's own limit for long posts."""
LONGEST_NAME_CHARS = 500
"""A longer id, author or language is none; it would make an event that no broker takes."""


class RawTweet(BaseModel):
    """One tweet as it arrives on the raw topic.

    Accepted shapes: this model's own fields; the Twitter API v2 (``{"data": {"id", "text", "author_id", ...}}``,
    or what ``data`` holds); the v1.1 (``id_str``, ``full_text``, ``extended_tweet.full_text``, ``user.id_str``,
    ``created_at`` as ``Wed Oct 10 20:19:24 +0000 2018``); a bare string, which is the text. Unknown fields pass. Where
    the text of a retweet or of a long post is cut, and the whole one came along (``retweeted_status``; ``note_tweet``;
    ``includes.tweets`` for what ``referenced_tweets`` calls retweeted), that one is read.
    A schema made of this model tells its own fields only; the worker takes all of these shapes.

    A ``created_at`` that cannot be read becomes ``None``: a tweet is not lost for its clock.

    Raises:
        pydantic.ValidationError: ``text`` is missing or no string, or the value is no object and no string.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    text: str = Field(description="What the author wrote, as it came.")
    id: str | None = Field(None, description="The platform's id; absent in plain-text values.")
    author_id: str | None = None
    created_at: datetime | None = Field(None, description="When the author posted it, UTC; null where unreadable.")
    lang: str | None = Field(None, description="BCP 47 tag as the platform gave it.")

    @model_validator(mode="before")
    @classmethod
    def _from_any_shape(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"text": value}
        if not isinstance(value, Mapping):
            return value
        tweet = value["data"] if "text" not in value and isinstance(value.get("data"), Mapping) else value
        if looks_like_v1(tweet):
            return _from_v1(tweet)
        return _fields_of({**tweet, "text": _text_of_v2(tweet, value.get("includes"))})

    @field_validator("created_at")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def looks_like_v1(tweet: Mapping[str, Any]) -> bool:
    """Whether the object holds a field that only the v1.1 API has."""
    return not _V1_FIELDS.isdisjoint(tweet)


def _text_of_v2(tweet: Mapping[str, Any], includes: Any) -> Any:
    """The text of the tweet that this one retweets, where ``includes`` holds it; else its own."""
    included = _mappings_in(includes.get("tweets")) if isinstance(includes, Mapping) else []
    for reference in _mappings_in(tweet.get("referenced_tweets")):
        if reference.get("type") != "retweeted":
            continue
        for original in included:
            is_meant = str(original.get("id")) == str(reference.get("id"))
            if is_meant and isinstance(text := _own_text_of_v2(original), str):
                return text
    return _own_text_of_v2(tweet)


def _own_text_of_v2(tweet: Mapping[str, Any]) -> Any:
    note = tweet.get("note_tweet")
    long_text = note.get("text") if isinstance(note, Mapping) else None
    return long_text if long_text and isinstance(long_text, str) else tweet.get("text")


def _mappings_in(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _from_v1(tweet: Mapping[str, Any]) -> dict[str, Any]:
    user = tweet.get("user")
    author = user.get("id_str", user.get("id")) if isinstance(user, Mapping) else None
    return _fields_of(
        {
            "text": _text_of_v1(tweet),
            "id": tweet.get("id_str") or tweet.get("id"),
            "author_id": author if author is not None else tweet.get("author_id"),
            "created_at": tweet.get("created_at"),
            "lang": tweet.get("lang"),
        }
    )


def _text_of_v1(tweet: Mapping[str, Any]) -> Any:
    """The text of the tweet that this one retweets, where it came along; else its own."""
    retweeted = tweet.get("retweeted_status")
    if isinstance(retweeted, Mapping) and isinstance(text := _own_text_of_v1(retweeted), str):
        return text
    return _own_text_of_v1(tweet)


def _own_text_of_v1(tweet: Mapping[str, Any]) -> Any:
    extended = tweet.get("extended_tweet")
    long_text = extended.get("full_text") if isinstance(extended, Mapping) else None
    return long_text or tweet.get("full_text") or tweet.get("text")


def _fields_of(tweet: Mapping[str, Any]) -> dict[str, Any]:
    """The model's own fields. Only ``text`` may fail a tweet; an optional field of the wrong type is dropped."""
    fields = {name: tweet[name] for name in ("id", "author_id", "lang") if _is_short_name(tweet.get(name))}
    if "text" in tweet:
        fields["text"] = tweet["text"] if isinstance(tweet["text"], str) else None
    fields["created_at"] = read_time(tweet.get("created_at"))
    return fields


def _is_short_name(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and len(str(value)) <= LONGEST_NAME_CHARS


def read_time(value: Any) -> datetime | None:
    """ISO 8601 (a space before the offset passes), the v1.1 format, RFC 5322, or (milli)seconds since the epoch."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000 if abs(value) > 1e11 else value, UTC)
        if isinstance(value, datetime):
            return value
        if not isinstance(value, str):
            return None
        return _time_of_text(value)
    except (ValueError, OverflowError, OSError):
        return None


def _time_of_text(value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(_SPACE_BEFORE_OFFSET.sub("", value))
    except ValueError:
        try:
            moment = datetime.strptime(value, _V1_CREATED_AT)  # noqa: DTZ007 -- the format holds %z
        except ValueError:
            moment = parsedate_to_datetime(value)
            if moment.tzinfo is None and _NO_DAY_OR_MONTH.search(value):
                raise  # it ignores unknown time zones, and am and pm: the time would be wrong by hours
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
