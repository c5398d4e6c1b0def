"""A short run of ``python -m tests.fuzz``, and inputs that hypothesis makes up."""

import json
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.dead_letter import Reason
from tests.fuzz.grammar import Grammar
from tests.fuzz.subject import BUNDLES, LARGEST_RECORD_BYTES, Subject, TokenisingEngine
from worker.labelling import label_batch
from worker.records import Outcome, RawRecord


@pytest.fixture(scope="module")
def engine() -> TokenisingEngine:
    return TokenisingEngine([BUNDLES / "lstm", BUNDLES / "encoder"])


def test_records_of_the_grammar_become_events_or_letters(engine: TokenisingEngine) -> None:
    subject = Subject(engine)
    subject.feed(list(islice(Grammar(seed=0).records(), 1500)))
    assert subject.wrong == []
    assert subject.outcomes.total() == 1500
    assert len(subject.outcomes) >= 8


characters = st.text(st.characters(codec=None, exclude_categories=()), max_size=80)
names = st.sampled_from(["text", "full_text", "data", "id", "id_str", "user", "created_at", "extended_tweet", "lang"])
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | characters,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | characters, inner, max_size=5),
    max_leaves=12,
)
values = (
    st.none()
    | st.binary(max_size=200)
    | characters.map(lambda text: text.encode("utf-8", "surrogatepass"))
    | trees.map(lambda tree: json.dumps(tree).encode())
    | trees.map(lambda tree: json.dumps(tree, ensure_ascii=False).encode("utf-8", "surrogatepass"))
)


@given(values)
@settings(max_examples=200)
def test_whatever_hypothesis_makes_up_becomes_an_event_or_a_letter(
    engine: TokenisingEngine, value: bytes | None
) -> None:
    subject = Subject(engine)
    subject.feed([RawRecord("raw", 0, 0, value, value, (), 1_700_000_000.0)])
    assert subject.wrong == []
    assert subject.outcomes.total() == 1


GOOD, BAD = b'{"text": "so happy"}', b'{"text": "cut'


def unlike(outcome: Outcome) -> Outcome:
    return outcome._replace(counted=outcome.counted._replace(label=(outcome.counted.label or 0) + 1))


@pytest.mark.parametrize(
    ("value", "damage"),
    [
        (GOOD, lambda outcome: outcome._replace(value=None)),
        (GOOD, lambda outcome: outcome._replace(offset=7)),
        (GOOD, lambda outcome: outcome._replace(key=bytes(LARGEST_RECORD_BYTES))),
        (GOOD, lambda outcome: outcome._replace(value=outcome.value.replace(b"raw-0-0", b"raw-0-7"))),
        (GOOD, lambda outcome: outcome._replace(value=outcome.value.replace(b'"confidence":0', b'"confidence":7'))),
        (GOOD, unlike),
        (BAD, lambda outcome: outcome._replace(reason=Reason.NOT_UTF8)),
        (BAD, lambda outcome: outcome._replace(value=outcome.value.replace(b"eyJ0", b"fyJ0"))),
    ],
    ids=["no value", "offset", "size", "id", "confidence", "label", "reason", "original"],
)
def test_an_outcome_that_is_not_right_is_told(
    engine: TokenisingEngine, monkeypatch: pytest.MonkeyPatch, value: bytes, damage: Callable[[Outcome], Outcome]
) -> None:
    def damaged(*given: Any) -> list[Outcome]:
        return [damage(outcome) for outcome in label_batch(*given)]

    monkeypatch.setattr("tests.fuzz.subject.label_batch", damaged)
    subject = Subject(engine)
    subject.feed([RawRecord("raw", 0, 0, None, value, (), 1_700_000_000.0)])
    assert len(subject.wrong) == 1


def test_an_answer_that_belongs_to_a_neighbour_is_told(
    engine: TokenisingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each event agrees with itself, so that only the tweet labelled alone can tell."""

    def rotated(records: Any, *given: Any) -> list[Outcome]:
        others = [
            record._replace(value=next_.value)
            for record, next_ in zip(records, (*records[1:], records[0]), strict=True)
        ]
        return label_batch(others, *given)

    monkeypatch.setattr("tests.fuzz.subject.label_batch", rotated)
    subject = Subject(engine)
    texts = (b"so happy", b"sad sad day", b"not a love song at all")
    subject.feed([RawRecord("raw", 0, n, None, text, (), 1_700_000_000.0) for n, text in enumerate(texts)])
    assert len(subject.wrong) == 1
    assert "alone otherwise" in subject.wrong[0]
