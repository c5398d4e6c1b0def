"""The chaos driver sees wrong answers: each kind of damage, done to what the worker's own labelling wrote."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.chaos.answers import wrong_answers
from tests.chaos.ledger import DEAD, Ledger, Raw, Written
from tests.chaos.load import BAD, tweets
from worker.inference.engine import Engine, load_engine
from worker.labelling import Rules, label_batch
from worker.records import RawRecord

AT_S = 1_800_000_000.0


@pytest.fixture(scope="module")
def engine(tiny_bundle: Path) -> Engine:
    return load_engine(tiny_bundle, threads=1)


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    values = [*BAD, *(value for _, value in tweets(1, 40))]
    records = [RawRecord("raw", 0, offset, None, value, (), AT_S + offset) for offset, value in enumerate(values)]
    found = Ledger(raw={(0, record.offset): Raw(record.value, record.timestamp_s) for record in records})
    for outcome in label_batch(records, engine, Rules(), {}, lambda: AT_S + 100):
        told = orjson.loads(outcome.value or b"")
        label, moment_s = told.get("label", DEAD), outcome.counted.event_time_s
        written = Written((0, outcome.offset), 0, label, moment_s, value=outcome.value or b"")
        (found.letters if label == DEAD else found.events).append(written)
    return found


def test_what_the_worker_writes_is_right(ledger: Ledger, engine: Engine) -> None:
    assert {one.place[1] for one in ledger.letters} >= set(range(len(BAD)))
    assert len(ledger.events) > 30
    assert wrong_answers(ledger, {engine.manifest.version: engine}) == []


def swap_probabilities(event: dict[str, Any]) -> None:
    joy, fear = event["probabilities"]["joy"], event["probabilities"]["fear"]
    event["probabilities"] |= {"joy": fear, "fear": joy}


def name_another(event: dict[str, Any]) -> None:
    event["label"] = min(event["probabilities"], key=event["probabilities"].get)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (swap_probabilities, "probabilities"),
        (name_another, " is "),
        (lambda event: event.update(confidence=0.01), " is "),
        (lambda event: event.update(tweet_id="another"), "of tweet another"),
        (lambda event: event.update(bundle={"name": "tiny", "version": "9"}), "that nobody served"),
        (lambda event: event.pop("probabilities"), "not what the schema says"),
    ],
)
def test_a_wrong_event_is_found(
    ledger: Ledger, engine: Engine, damage: Callable[[dict[str, Any]], None], told: str
) -> None:
    damaged = orjson.loads(ledger.events[5].value)
    damage(damaged)
    ledger.events[5] = replace(ledger.events[5], value=orjson.dumps(damaged))
    wrong = wrong_answers(ledger, {engine.manifest.version: engine})
    assert wrong
    assert told in wrong[0]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ({"reason": "not_json"}, "is dead as not_json, right is not_utf8"),
        ({"reason": ""}, "not what the schema says"),
        ({"original": None}, "keeps None of"),
    ],
)
def test_a_wrong_letter_is_found(ledger: Ledger, engine: Engine, damage: dict[str, Any], told: str) -> None:
    damaged = orjson.loads(ledger.letters[1].value) | damage
    ledger.letters[1] = replace(ledger.letters[1], value=orjson.dumps(damaged))
    (wrong,) = wrong_answers(ledger, {engine.manifest.version: engine})
    assert told in wrong


def test_an_event_of_what_cannot_be_labelled_and_a_letter_of_what_can_are_found(ledger: Ledger, engine: Engine) -> None:
    event, letter = ledger.events[0], ledger.letters[0]
    ledger.events[0] = replace(event, place=letter.place, event_time_s=letter.event_time_s)
    ledger.letters[0] = replace(letter, place=event.place, event_time_s=event.event_time_s)
    first, second = wrong_answers(ledger, {engine.manifest.version: engine})
    assert "cannot be labelled" in first
    assert "is dead as empty_value, right is None" in second


def test_a_tweet_that_is_counted_at_another_time_is_found(ledger: Ledger, engine: Engine) -> None:
    ledger.events[0] = replace(ledger.events[0], event_time_s=ledger.events[0].event_time_s + 10)
    (wrong,) = wrong_answers(ledger, {engine.manifest.version: engine})
    assert "is counted at" in wrong
