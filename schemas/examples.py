"""One real record of each topic: what the documents show and the contract tests check."""

from datetime import UTC, datetime, timedelta
from typing import Final

from schemas.dead_letter import DeadLetter, Reason
from schemas.event import BundleRef, EmotionEvent, Timings
from schemas.source import Source
from schemas.topics import DEFAULT_RAW
from schemas.tweet import RawTweet

_POSTED: Final = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)

TWEET: Final = RawTweet(
    id="1901", text="finally home after two weeks, the dog went mad 😂", author_id="42", created_at=_POSTED, lang="en"
)

EVENT: Final = EmotionEvent(
    id=f"{DEFAULT_RAW}-3-1207",
    tweet_id="1901",
    source=Source(topic=DEFAULT_RAW, partition=3, offset=1207, topic_id="3vVHSfXRQlGqCkZBq6GNrg"),
    label="joy",
    confidence=0.86,
    probabilities={"sadness": 0.02, "joy": 0.86, "love": 0.06, "anger": 0.02, "fear": 0.01, "surprise": 0.03},
    abstained=False,
    bundle=BundleRef(name="lstm", version="1"),
    event_time=_POSTED,
    scored_at=_POSTED + timedelta(milliseconds=40),
    timings=Timings(queued_ms=12.5, scored_ms=9.25),
    author_id="42",
    lang="en",
)

LETTER: Final = DeadLetter.of(
    Source(topic=DEFAULT_RAW, partition=3, offset=1208, topic_id="3vVHSfXRQlGqCkZBq6GNrg"),
    Reason.NOT_JSON,
    "The value starts like JSON but ends in the middle of a string.",
    value=b'{"id": "1902", "text": "cut o',
    key=b"1902",
    headers=[("producer", b"gateway")],
    event_time=_POSTED,
    failed_at=_POSTED + timedelta(milliseconds=31),
)
