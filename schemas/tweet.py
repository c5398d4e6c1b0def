"""A raw tweet, read tolerantly: the shapes that real producers send all become one."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_V1_CREATED_AT = "%a %b %d %H:%M:%S %z %Y"
_SPACE_BEFORE_OFFSET = re.compile(r"(?<=\d)\s+(?=[+-]\d{2}:?\d{2}$)")

LONGEST_TEXT_CHARS = 25_000
"""The platform's own limit for long posts."""
LONGEST_NAME_CHARS = 500
"""A longer id, author or language is none; it would make an event that no broker takes."""


class RawTweet(BaseModel):
    """One tweet as it arrives on the raw topic.

    Accepted shapes: this model's own fields; the Twitter API v2 (``{"data": {"id", "text", "author_id", ...}}``,
    or what ``data`` holds); the v1.1 (``id_str``, ``full_text``, ``extended_tweet.full_text``, ``user.id_str``,
    ``created_at`` as ``Wed Oct 10 20:19:24 +0000 2018``); a bare string, which is the text. Unknown fields pass.
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
    def _one_shape(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"text": value}
        if not isinstance(value, Mapping):
            return value
        tweet = value["data"] if "text" not in value and isinstance(value.get("data"), Mapping) else value
        return _from_v1(tweet) if looks_like_v1(tweet) else _optional_fields_read(tweet)

    @field_validator("created_at")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


_V1_FIELDS = frozenset({"id_str", "full_text", "extended_tweet", "user"})


def looks_like_v1(tweet: Mapping[str, Any]) -> bool:
    """Whether the object holds a field that only the v1.1 API has."""
    return not _V1_FIELDS.isdisjoint(tweet)


def _from_v1(tweet: Mapping[str, Any]) -> dict[str, Any]:
    extended = tweet.get("extended_tweet")
    long_text = extended.get("full_text") if isinstance(extended, Mapping) else None
    user = tweet.get("user")
    author = user.get("id_str", user.get("id")) if isinstance(user, Mapping) else None
    return _optional_fields_read(
        {
            "text": long_text or tweet.get("full_text") or tweet.get("text"),
            "id": tweet.get("id_str") or tweet.get("id"),
            "author_id": author if author is not None else tweet.get("author_id"),
            "created_at": tweet.get("created_at"),
            "lang": tweet.get("lang"),
        }
    )


def _optional_fields_read(tweet: Mapping[str, Any]) -> dict[str, Any]:
    """Only ``text`` may fail a tweet; an optional field of the wrong type is dropped."""
    fields = {name: tweet[name] for name in ("id", "author_id", "lang") if _is_plain(tweet.get(name))}
    if "text" in tweet:
        fields["text"] = tweet["text"] if isinstance(tweet["text"], str) else None
    fields["created_at"] = read_time(tweet.get("created_at"))
    return fields


def _is_plain(value: Any) -> bool:
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
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
