"""From raw tweets and what stands on the topics to answers that are wrong. Pure but for the engines."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from schemas.dead_letter import DeadLetter
from schemas.emotions import EMOTIONS
from schemas.event import EmotionEvent
from tests.chaos.ledger import DEAD, Ledger, Raw, Written
from tests.chaos.load import BAD
from worker.inference.engine import Engine

_TOLERANCE = 1e-4
"""Of a probability in fp32, whatever the batch."""
_CLOCK_TOLERANCE_S = 0.001


def wrong_answers(ledger: Ledger, engines: Mapping[str, Engine]) -> list[str]:
    """A sentence for each event or letter that is not what its tweet should have become.

    ``engines``: version of a bundle -> its engine, asked again for each text.
    """
    wrong: list[str] = []
    asked: dict[str, list[tuple[EmotionEvent, str]]] = {}
    for one in (*ledger.events, *ledger.letters):
        raw = ledger.raw.get(one.place)
        if raw is None:
            continue  # an outcome of a tweet that nobody produced is told elsewhere
        if abs(one.event_time_s - raw.timestamp_s) > _CLOCK_TOLERANCE_S:
            wrong.append(f"{one.place} is counted at {one.event_time_s}, produced at {raw.timestamp_s}")
        try:
            if one.label == DEAD:
                wrong += _letter(one, raw)
            elif raw.value in BAD:
                wrong.append(f"{one.place} is an event, but its tweet cannot be labelled: {raw.value!r}")
            else:
                event, tweet = EmotionEvent.model_validate_json(one.value), orjson.loads(raw.value or b"")
                if event.tweet_id != tweet["id"]:
                    wrong.append(f"{one.place} is of tweet {event.tweet_id}, not {tweet['id']}")
                asked.setdefault(event.bundle.version, []).append((event, tweet["text"]))
        except ValueError as error:
            wrong.append(f"{one.place} is not what the schema says: {error}")
    for version, of_bundle in asked.items():
        wrong += _labels(of_bundle, engines.get(version), version)
    return wrong


def _letter(one: Written, raw: Raw) -> list[str]:
    letter = DeadLetter.model_validate_json(one.value)
    if (wanted := BAD.get(raw.value or b"")) is not letter.reason:
        return [f"{one.place} is dead as {letter.reason}, right is {wanted}: {raw.value!r}"]
    if (letter.original_bytes or b"") != (raw.value or b""):
        return [f"{one.place} keeps {letter.original_bytes!r} of {raw.value!r}"]
    return []


def _labels(events: list[tuple[EmotionEvent, str]], engine: Engine | None, version: str) -> list[str]:
    if engine is None:
        return [f"{len(events)} events of a bundle that nobody served: {version}"]
    given: Any = [[event.probabilities[emotion] for emotion in EMOTIONS] for event, _ in events]
    change = np.abs(np.array(given) - engine.predict([text for _, text in events])).max(axis=1)
    wrong = []
    for (event, text), off in zip(events, change, strict=True):
        surest = max(event.probabilities.values())
        if off > _TOLERANCE:
            wrong.append(f"{event.id} has probabilities that are {off:.4f} off: {text!r}")
        if not event.probabilities[event.label] == event.confidence == surest:
            wrong.append(f"{event.id} is {event.label} with {event.confidence}: {event.probabilities}")
    return wrong
