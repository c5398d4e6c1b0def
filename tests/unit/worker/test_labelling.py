import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.dead_letter import DeadLetter, Reason
from schemas.emotions import EMOTIONS
from schemas.event import EmotionEvent
from worker.inference.engine import Engine, EngineAround, load_engine
from worker.labelling import Rules, label_batch
from worker.records import Counted, RawRecord

NOW_S = 1_800_000_000.0


def record(offset: int, value: bytes | None, timestamp_s: float = NOW_S - 5) -> RawRecord:
    return RawRecord("raw", 0, offset, b"k", value, (("h", b"v"),), timestamp_s)


class Poisoned:
    """The real engine, but one text crashes it."""

    def __init__(self, engine: Engine, error: BaseException | None = None) -> None:
        self._engine, self._error = engine, error or MemoryError("too much")
        self.manifest = engine.manifest
        self.precision = engine.precision

    def predict(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._engine.predict(texts)

    def predict_cleaned(self, cleaned: Sequence[str]) -> NDArray[np.float32]:
        if any("poison" in text for text in cleaned):
            raise self._error
        return self._engine.predict_cleaned(cleaned)

    def tokens(self, cleaned: str) -> list[str]:
        return self._engine.tokens(cleaned)


@pytest.fixture(scope="module")
def engine(tiny_bundle: Path) -> Engine:
    return load_engine(tiny_bundle, threads=1)


class PanicException(BaseException):
    """What a panic in Rust is to Python (PyO3): no Exception."""


@pytest.mark.parametrize("error", [MemoryError("too much"), PanicException("index out of bounds")])
def test_a_poison_tweet_is_isolated_and_the_others_are_labelled(engine: Engine, error: BaseException) -> None:
    records = [record(i, b"poison" if i == 37 else b"so happy %d" % i) for i in range(64)]
    outcomes = label_batch(records, Poisoned(engine, error), Rules(), {}, lambda: NOW_S)
    dead = [outcome for outcome in outcomes if outcome.counted.label is None]
    assert [(outcome.offset, outcome.reason) for outcome in dead] == [(37, Reason.ENGINE_FAILED)]
    assert [outcome.offset for outcome in outcomes] == list(range(64))
    assert type(error).__name__ in DeadLetter.model_validate_json(dead[0].value or b"").detail


def test_events_and_letters_of_every_stage_name_the_topic_by_its_id(engine: Engine) -> None:
    records = [
        record(i, value) for i, value in enumerate((b"so happy", b'{"text": "cut', b"\xf0\x9f\x98\x82", b"poison"))
    ]
    outcomes = label_batch(records, Poisoned(engine), Rules(topic_id="of-the-topic"), {}, lambda: NOW_S)
    assert len({outcome.reason for outcome in outcomes}) == len(records)
    assert [json.loads(outcome.value or b"")["source"]["topic_id"] for outcome in outcomes] == ["of-the-topic"] * 4


def test_what_was_published_before_is_counted_as_published_and_not_scored_again(engine: Engine) -> None:
    before = Counted(NOW_S - 60, 4, 0.9)
    (outcome,) = label_batch([record(3, b"poison")], Poisoned(engine), Rules(), {(0, 3): before}, lambda: NOW_S)
    assert outcome.counted is before
    assert outcome.value is None


def test_the_same_tweet_gets_the_same_answer_in_any_batch(engine: Engine) -> None:
    records = [record(i, b"what a sad day number %d" % (i % 7)) for i in range(40)]
    whole = [o.counted for o in label_batch(records, engine, Rules(), {}, lambda: NOW_S)]
    single = [label_batch([r], engine, Rules(), {}, lambda: NOW_S)[0].counted for r in records]
    for one, other in zip(whole, single, strict=True):
        assert one.label == other.label
        assert one.confidence == pytest.approx(other.confidence, abs=1e-4)


@pytest.mark.parametrize(
    ("rules", "created_at", "kafka_s", "expected_s"),
    [
        (Rules(), NOW_S - 100, NOW_S - 5, NOW_S - 5),
        (Rules(event_time="created_at"), NOW_S - 100, NOW_S - 5, NOW_S - 100),
        (Rules(event_time="created_at"), NOW_S + 9e8, NOW_S - 5, NOW_S - 5),
        (Rules(event_time="created_at"), 5.0, NOW_S - 5, NOW_S - 5),
        (Rules(), NOW_S - 100, -0.001, NOW_S),
        (Rules(), NOW_S - 100, NOW_S + 9e8, NOW_S),
    ],
)
def test_an_unbelievable_clock_gives_way_to_the_next_one(
    engine: Engine, rules: Rules, created_at: float, kafka_s: float, expected_s: float
) -> None:
    value = b'{"id": "1", "text": "so happy", "created_at": %d}' % created_at
    (outcome,) = label_batch([record(0, value, kafka_s)], engine, rules, {}, lambda: NOW_S)
    assert outcome.counted.event_time_s == expected_s
    event = EmotionEvent.model_validate_json(outcome.value or b"")
    assert event.event_time.timestamp() == expected_s
    assert event.text is None


def test_an_event_holds_the_fields_of_its_schema_and_no_others(engine: Engine) -> None:
    (outcome,) = label_batch([record(0, b'{"id": "", "text": "so happy"}')], engine, Rules(), {}, lambda: NOW_S)
    event = json.loads(outcome.value or b"")
    assert set(event) == set(EmotionEvent.model_fields)
    assert (outcome.key, event["tweet_id"]) == (None, event["id"])


def two_seconds() -> Callable[[], float]:
    """A clock of a batch that takes so long."""
    return iter([NOW_S, NOW_S + 2]).__next__


def test_an_event_says_all_that_is_known_of_its_tweet(engine: Engine) -> None:
    told = {"id": "7", "author_id": "12", "lang": "en", "created_at": "2027-01-15T07:59:00Z", "text": "so happy"}
    rules = Rules(event_time="created_at", include_text=True, topic_id="of-the-topic")
    (outcome,) = label_batch([record(3, json.dumps(told).encode())], engine, rules, {}, two_seconds())
    given = [round(float(p), 6) for p in engine.predict(["so happy"])[0]]
    assert json.loads(outcome.value or b"") == {
        "id": "raw-0-3",
        "tweet_id": "7",
        "source": {"topic": "raw", "partition": 0, "offset": 3, "topic_id": "of-the-topic"},
        "label": EMOTIONS[given.index(max(given))],
        "confidence": max(given),
        "probabilities": dict(zip(EMOTIONS, given, strict=True)),
        "abstained": False,
        "bundle": {"name": "tiny", "version": "1"},
        "event_time": "2027-01-15T07:59:00Z",
        "scored_at": "2027-01-15T08:00:02Z",
        "timings": {"queued_ms": 5000.0, "scored_ms": 2000.0},
        "author_id": "12",
        "lang": "en",
        "text": "so happy",
    }
    assert outcome.key == b"7"


def test_a_letter_says_when_its_tweet_came_and_when_it_failed(engine: Engine) -> None:
    records = [record(0, b"[1]"), record(1, b"poison")]
    outcomes = label_batch(records, Poisoned(engine), Rules(), {}, two_seconds())
    letters = [DeadLetter.model_validate_json(outcome.value or b"") for outcome in outcomes]
    assert [letter.event_time.timestamp() for letter in letters] == [NOW_S - 5] * 2
    assert [letter.failed_at.timestamp() for letter in letters] == [NOW_S, NOW_S + 2]


def test_an_event_abstains_below_the_threshold_and_rounds_to_six_decimals(engine: Engine) -> None:
    def event(threshold: float) -> EmotionEvent:
        rules = Rules(abstain_threshold=threshold)
        (outcome,) = label_batch([record(0, b"so happy")], engine, rules, {}, lambda: NOW_S)
        assert outcome.counted.abstained is (threshold > outcome.counted.confidence)
        return EmotionEvent.model_validate_json(outcome.value or b"")

    assert [event(threshold).abstained for threshold in (0.0, 1.0)] == [False, True]
    given = [event(0.0).probabilities[emotion] for emotion in EMOTIONS]
    assert given == [round(p, 6) for p in engine.predict(["so happy"])[0].astype(float).tolist()]


def test_without_another_threshold_an_event_abstains_below_that_of_its_bundle(engine: Engine) -> None:
    class Unsure(EngineAround):
        manifest = engine.manifest.model_copy(update={"abstain_threshold": 1.0})

    for asked, told, abstained in ((engine, None, False), (Unsure(engine), None, True), (Unsure(engine), 0.0, False)):
        rules = Rules(abstain_threshold=told)
        (outcome,) = label_batch([record(0, b"so happy")], asked, rules, {}, lambda: NOW_S)
        assert outcome.counted.abstained is abstained


@pytest.mark.parametrize("lang", ["en", "EN", "en-GB", "de_AT", "und", "qht", "zxx", "", "q", None, 7])
def test_a_tweet_in_a_language_that_is_labelled_or_in_none_is_labelled(lang: object, engine: Engine) -> None:
    value = json.dumps({"text": "so happy", "lang": lang}).encode()
    (outcome,) = label_batch([record(0, value)], engine, Rules(languages=frozenset({"en", "de"})), {}, lambda: NOW_S)
    assert outcome.reason is None


@pytest.mark.parametrize("lang", ["fr", "in", "pt-BR", "enx"])
def test_a_tweet_in_another_language_is_a_dead_letter_where_languages_are_named(lang: str, engine: Engine) -> None:
    raw = record(0, json.dumps({"text": "so happy", "lang": lang}).encode())
    (outcome,) = label_batch([raw], engine, Rules(languages=frozenset({"en"})), {}, lambda: NOW_S)
    assert outcome.reason is Reason.OTHER_LANGUAGE
    assert repr(lang) in DeadLetter.model_validate_json(outcome.value or b"").detail
    (outcome,) = label_batch([raw], engine, Rules(), {}, lambda: NOW_S)
    assert outcome.reason is None


def test_a_clock_may_be_a_little_ahead_of_ours(engine: Engine) -> None:
    (outcome,) = label_batch([record(0, b"so happy", NOW_S + 299)], engine, Rules(), {}, lambda: NOW_S)
    assert outcome.counted.event_time_s == NOW_S + 299


def test_a_key_too_long_for_the_letter_is_not_its_key_on_the_topic_either(engine: Engine) -> None:
    for key, kept in ((b"k", b"k"), (b"k" * 1_000_000, None)):
        (outcome,) = label_batch([record(0, b"")._replace(key=key)], engine, Rules(), {}, lambda: NOW_S)
        assert outcome.key == kept


def test_a_timestamp_that_is_absurd_says_nothing_of_how_long_a_tweet_waited(engine: Engine) -> None:
    outcomes = label_batch([record(0, b"so happy", -0.001), record(1, b"so happy")], engine, Rules(), {}, lambda: NOW_S)
    waited = [json.loads(outcome.value or b"")["timings"]["queued_ms"] for outcome in outcomes]
    assert waited == [0, 5000]
