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
"""What key and headers may take of the letter; more of it is left out."""
_HEADER_BYTES: Final = 40
_ESCAPED_BYTES: Final = 6
"""A header's frame in JSON, and the most that a character of its name takes."""


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
        return None if self.original is None else b64decode(self.original)

    @property
    def key_bytes(self) -> bytes | None:
        """The raw key."""
        return None if self.key is None else b64decode(self.key)

    @property
    def header_pairs(self) -> list[tuple[str, bytes | None]]:
        """The raw headers in order."""
        return [(h.name, None if h.value is None else b64decode(h.value)) for h in self.headers]

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
        whole = value or b""
        fits = _attached_bytes(key, headers) <= MAX_ATTACHED_BYTES
        if not fits:
            key, headers = None, []
        return cls(
            id=source.id,
            source=source,
            stage=reason.stage,
            reason=reason,
            detail=detail[:1000],
            original=None if value is None else b64encode(whole[:MAX_ORIGINAL_BYTES]).decode(),
            original_size_bytes=len(whole),
            original_sha256=sha256(whole).hexdigest(),
            original_truncated=not fits or len(whole) > MAX_ORIGINAL_BYTES,
            key=None if key is None else b64encode(key).decode(),
            headers=tuple(Header(name=n, value=None if v is None else b64encode(v).decode()) for n, v in headers),
            event_time=event_time,
            failed_at=failed_at,
        )


def _attached_bytes(key: bytes | None, headers: list[tuple[str, bytes | None]]) -> int:
    """At most so much take key and headers in the letter."""
    names = sum(_HEADER_BYTES + _ESCAPED_BYTES * len(name) for name, _ in headers)
    return names + sum(4 + len(value or b"") * 4 // 3 for value in (key, *(value for _, value in headers)))
