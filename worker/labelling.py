"""From raw records to outcomes: decode, clean, score, encode. Pure but for the engine and the clock it is given."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import orjson

from schemas.bundle import BundleManifest
from schemas.dead_letter import DeadLetter, Reason
from schemas.emotions import EMOTIONS
from schemas.tweet import LONGEST_TEXT_CHARS
from worker.decode import Failure, Tweet, decode
from worker.inference.cleaning import clean, has_words
from worker.inference.engine import Engine
from worker.records import Counted, Outcome, RawRecord, utc

EARLIEST_EVENT_TIME_S = 1_142_899_200.0
"""2006-03-21, the day of the first tweet; an earlier clock is wrong."""
DECIMALS = 6
"""Of a probability in an event; no engine is surer of its digits."""
FUTURE_TOLERANCE_S = 300.0
"""A clock may be this far ahead of ours; beyond that it is wrong."""
_LANGUAGE = re.compile(r"(?!und|mul|mis|zxx|art|q[a-t])[a-z]{2,3}")
"""A code that names a language (ISO 639-2). The codes left out mean undetermined, several, uncoded, none or artificial,
or are for local use: the platform says ``qht`` of a text of hashtags alone."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides an outcome beside its record and the engine: the settings, and which topic it is."""

    event_time: Literal["kafka", "created_at"] = "kafka"
    include_text: bool = False
    abstain_threshold: float | None = None
    """None: that of the bundle."""
    max_text_chars: int = LONGEST_TEXT_CHARS
    languages: frozenset[str] = frozenset()
    """Primary subtags of the languages that are labelled; empty: all are."""
    topic_id: str | None = None
    """Kafka's id of the raw topic, where the broker tells it."""


class _Scorable(NamedTuple):
    """A record whose text goes to the engine."""

    record: RawRecord
    tweet: Tweet
    cleaned: str


def label_batch(
    records: Sequence[RawRecord],
    engine: Engine,
    rules: Rules,
    published: Mapping[tuple[int, int], Counted],
    clock: Callable[[], float] = time.time,
) -> list[Outcome]:
    """Exactly one outcome for each record, in the order of the records.

    A batch that the engine cannot score is halved until the tweet that it fails on is alone.

    Args:
        records: the batch.
        engine: what scores it.
        rules: see there.
        published: (partition, offset) -> what already stands on the topics; such a record is not scored again, and its
            outcome has no value.
        clock: seconds since the epoch.
    """
    started_s = clock()
    outcomes: dict[int, Outcome] = {}
    scorable: list[tuple[int, _Scorable]] = []
    for index, record in enumerate(records):
        known = published.get((record.partition, record.offset))
        if known is not None:
            outcomes[index] = Outcome(record.partition, record.offset, known, None, None)
            continue
        read = _read(record, rules)
        if isinstance(read, Failure):
            outcomes[index] = _dead(record, read, started_s, rules.topic_id)
        else:
            scorable.append((index, read))
    scores = _score([item.cleaned for _, item in scorable], engine)
    ended_s = clock()
    writer = _EventWriter(rules, started_s, ended_s, engine.manifest)
    for (index, item), score in zip(scorable, scores, strict=True):
        if isinstance(score, Failure):
            outcomes[index] = _dead(item.record, score, ended_s, rules.topic_id)
        else:
            outcomes[index] = writer.outcome(item, score)
    return [outcomes[index] for index in range(len(records))]


def _read(record: RawRecord, rules: Rules) -> _Scorable | Failure:
    tweet = decode(record.value, max_text_chars=rules.max_text_chars)
    if isinstance(tweet, Failure):
        return tweet
    if rules.languages and tweet.lang and _names_another(tweet.lang, rules.languages):
        return Failure(
            Reason.OTHER_LANGUAGE, f"its lang is {tweet.lang!r}, labelled is {', '.join(sorted(rules.languages))}"
        )
    cleaned = clean(tweet.text)
    if not has_words(cleaned):
        return Failure(Reason.NO_WORDS, "nothing but URLs, mentions, emoji or symbols")
    return _Scorable(record, tweet, cleaned)


def _names_another(lang: str, languages: frozenset[str]) -> bool:
    """Whether a language tag (BCP 47) names a language that is none of ``languages``."""
    primary = lang.lower().replace("_", "-").partition("-")[0]
    return primary not in languages and _LANGUAGE.fullmatch(primary) is not None


def _score(cleaned: list[str], engine: Engine) -> list[list[float] | Failure]:
    """For each text its six probabilities, or why the engine fails on it even alone."""
    if not cleaned:
        return []
    try:
        return list(np.round(engine.predict_cleaned(cleaned).astype(np.float64), DECIMALS).tolist())
    except BaseException as error:  # noqa: BLE001 - a panic of the tokenizer is no Exception; the other tweets go on
        if len(cleaned) == 1:
            return [Failure(Reason.ENGINE_FAILED, f"{type(error).__name__}: {error}"[:500])]
    middle = len(cleaned) // 2
    return _score(cleaned[:middle], engine) + _score(cleaned[middle:], engine)


def _event_time_s(record: RawRecord, tweet: Tweet, rules: Rules, now_s: float) -> float:
    """When the author posted it if the rules trust that and it is believable, else Kafka's timestamp, else now."""
    if rules.event_time == "created_at" and tweet.created_at is not None:
        created_s = tweet.created_at.timestamp()
        if _is_believable(created_s, now_s):
            return created_s
    return _kafka_time_s(record, default_s=now_s, now_s=now_s)


def _kafka_time_s(record: RawRecord, *, default_s: float, now_s: float) -> float:
    """Kafka's timestamp of the record, or ``default_s`` where it is not believable."""
    return record.timestamp_s if _is_believable(record.timestamp_s, now_s) else default_s


def _is_believable(moment_s: float, now_s: float) -> bool:
    return EARLIEST_EVENT_TIME_S <= moment_s <= now_s + FUTURE_TOLERANCE_S


class _EventWriter:
    """Writes the events of one batch, which was scored from ``started_s`` to ``ended_s`` (seconds since the epoch)."""

    def __init__(self, rules: Rules, started_s: float, ended_s: float, manifest: BundleManifest) -> None:
        self._rules, self._started_s, self._ended_s = rules, started_s, ended_s
        self._threshold = manifest.abstain_threshold if rules.abstain_threshold is None else rules.abstain_threshold
        self._bundle = {"name": manifest.name, "version": manifest.version}
        self._scored_at = utc(ended_s)
        self._scored_ms = round(max(0.0, ended_s - started_s) * 1000, 3)

    def outcome(self, item: _Scorable, probabilities: list[float]) -> Outcome:
        """The outcome of a tweet with these six probabilities."""
        record, tweet, rules = item.record, item.tweet, self._rules
        confidence = max(probabilities)
        label = probabilities.index(confidence)
        moment_s = _event_time_s(record, tweet, rules, self._ended_s)
        abstained = confidence < self._threshold
        came_s = _kafka_time_s(record, default_s=self._started_s, now_s=self._ended_s)
        event_id = f"{record.topic}-{record.partition}-{record.offset}"
        event = {
            "id": event_id,
            "tweet_id": tweet.id or event_id,
            "source": {
                "topic": record.topic,
                "partition": record.partition,
                "offset": record.offset,
                "topic_id": rules.topic_id,
            },
            "label": EMOTIONS[label],
            "confidence": confidence,
            "probabilities": dict(zip(EMOTIONS, probabilities, strict=True)),
            "abstained": abstained,
            "bundle": self._bundle,
            "event_time": utc(moment_s),
            "scored_at": self._scored_at,
            "timings": {
                "queued_ms": round(max(0.0, self._started_s - came_s) * 1000, 3),
                "scored_ms": self._scored_ms,
            },
            "author_id": tweet.author_id,
            "lang": tweet.lang,
            "text": tweet.text.encode(errors="replace").decode() if rules.include_text else None,
        }
        counted = Counted(moment_s, label, confidence, abstained)
        return Outcome(record.partition, record.offset, counted, _event_key(tweet), _encode(event))


def _event_key(tweet: Tweet) -> bytes | None:
    return None if tweet.id is None else tweet.id.encode(errors="replace")


def _encode(event: dict[str, object]) -> bytes:
    try:
        return orjson.dumps(event, option=orjson.OPT_UTC_Z)
    except orjson.JSONEncodeError:  # a lone surrogate in an optional field
        scrubbed = {k: v.encode(errors="replace").decode() if isinstance(v, str) else v for k, v in event.items()}
        return orjson.dumps(scrubbed, option=orjson.OPT_UTC_Z)


def killed_the_worker(record: RawRecord, crashes: int, now_s: float, topic_id: str | None) -> Outcome:
    """The dead letter of a tweet that was in flight, at last alone, when the process died ``crashes`` times."""
    detail = f"the worker died {crashes} times while this tweet was labelled, the last time alone"
    return _dead(record, Failure(Reason.KILLED_THE_WORKER, detail), now_s, topic_id)


def _dead(record: RawRecord, failure: Failure, failed_s: float, topic_id: str | None) -> Outcome:
    moment_s = _kafka_time_s(record, default_s=failed_s, now_s=failed_s)
    letter = DeadLetter.of(
        record.source(topic_id),
        failure.reason,
        failure.detail.encode(errors="replace").decode(),
        value=record.value,
        key=record.key,
        headers=list(record.headers),
        event_time=utc(moment_s),
        failed_at=utc(failed_s),
    )
    value = letter.model_dump_json().encode()
    key = None if letter.key is None else record.key
    return Outcome(record.partition, record.offset, Counted(moment_s, None), key, value, failure.reason)
