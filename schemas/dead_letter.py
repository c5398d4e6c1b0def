"""A raw record that could not be labelled, kept with the reason and its original bytes."""

from base64 import b64decode, b64encode
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from schemas.source import Source

MAX_ORIGINAL_BYTES: Final = 700_000
"""Base64 of this still fits Kafka's default ``max.message.bytes`` (1,048,588) with room for the other fields."""
MAX_ATTACHED_BYTES: Final = 20_000
"""Bound of key and headers together, as bytes of the letter's JSON; above it both are left out."""
_HEADER_FRAME_BYTES: Final = 40
"""Braces, quotes and field names of one header in JSON."""
_ESCAPED_CHARACTER_BYTES: Final = 6
r"""The longest that JSON makes of a character: ``\u0000``."""


class Stage(StrEnum):
    """Where on its way the tweet failed."""

    DECODE = "decode"
    CLEAN = "clean"
    SCORE = "score"


class Reason(StrEnum):
    """The closed set of reasons; each belongs to one stage."""

    EMPTY_VALUE = "empty_value"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    TOO_DEEP = "too_deep"
    WRONG_SHAPE = "wrong_shape"
    MISSING_TEXT = "missing_text"
    EMPTY_TEXT = "empty_text"
    TEXT_TOO_LONG = "text_too_long"
    OTHER_LANGUAGE = "other_language"
    NO_WORDS = "no_words"
    ENGINE_FAILED = "engine_failed"
    KILLED_THE_WORKER = "killed_the_worker"

    @property
    def stage(self) -> Stage:
        """The stage this reason belongs to."""
        if self is Reason.NO_WORDS:
            return Stage.CLEAN
        if self in (Reason.ENGINE_FAILED, Reason.KILLED_THE_WORKER):
            return Stage.SCORE
        return Stage.DECODE


class Header(BaseModel):
    """One header of the raw record; Kafka allows the same name twice and null values."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    value: str | None = Field(description="Base64.")


class DeadLetter(BaseModel):
    """One raw record with the reason why it has no label. The same record always gets the same ``id``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(description="topic-partition-offset of the raw record.")
    source: Source
    stage: Stage
    reason: Reason
    detail: str = Field(max_length=1000, description="One sentence for a person.")
    original: str | None = Field(description="Base64 of the raw value; null for a tombstone.")
    original_size_bytes: int = Field(ge=0)
    original_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    original_truncated: bool = Field(
        description="True: only a prefix of the value stands here, or key and headers are left out; all is at `source`."
    )
    key: str | None = Field(description="Base64 of the raw key.")
    headers: tuple[Header, ...] = ()
    event_time: datetime = Field(
        description="Kafka's timestamp of the raw record, or when it failed if that is absurd."
    )
    failed_at: datetime

    @property
    def original_bytes(self) -> bytes | None:
        """The raw value, or the prefix kept of it; None for a tombstone."""
        return _from_base64(self.original)

    @property
    def key_bytes(self) -> bytes | None:
        """The raw key."""
        return _from_base64(self.key)

    @property
    def header_pairs(self) -> list[tuple[str, bytes | None]]:
        """The raw headers in order."""
        return [(header.name, _from_base64(header.value)) for header in self.headers]

    @classmethod
    def of(
        cls,
        source: Source,
        reason: Reason,
        detail: str,
        *,
        value: bytes | None,
        key: bytes | None,
        headers: list[tuple[str, bytes | None]],
        event_time: datetime,
        failed_at: datetime,
    ) -> "DeadLetter":
        """Build the letter of a raw record, small enough for a broker.

        A value over `MAX_ORIGINAL_BYTES` is kept as a prefix; key and headers over `MAX_ATTACHED_BYTES` are left out.
        """
        size_bytes = len(value or b"")
        fits = _attached_bytes(key, headers) <= MAX_ATTACHED_BYTES
        if not fits:
            key, headers = None, []
        return cls(
            id=source.id,
            source=source,
            stage=reason.stage,
            reason=reason,
            detail=detail[:1000],
            original=None if value is None else _to_base64(value[:MAX_ORIGINAL_BYTES]),
            original_size_bytes=size_bytes,
            original_sha256=sha256(value or b"").hexdigest(),
            original_truncated=not fits or size_bytes > MAX_ORIGINAL_BYTES,
            key=_to_base64(key),
            headers=tuple(Header(name=name, value=_to_base64(content)) for name, content in headers),
            event_time=event_time,
            failed_at=failed_at,
        )


def _attached_bytes(key: bytes | None, headers: list[tuple[str, bytes | None]]) -> int:
    """Upper bound of what key and headers take in the letter's JSON."""
    names = sum(_HEADER_FRAME_BYTES + _ESCAPED_CHARACTER_BYTES * len(name) for name, _ in headers)
    return names + sum(4 + len(value or b"") * 4 // 3 for value in (key, *(value for _, value in headers)))


def _to_base64(value: bytes | None) -> str | None:
    return None if value is None else b64encode(value).decode()


def _from_base64(value: str | None) -> bytes | None:
    return None if value is None else b64decode(value)
