"""A short run of ``python -m tests.fuzz``, and inputs that hypothesis makes up."""

import json
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.grammar import Grammar
from tests.fuzz.subject import BUNDLES, Subject, TokenisingEngine
from worker.records import RawRecord


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
@settings(max_examples=200, deadline=None)
def test_whatever_hypothesis_makes_up_becomes_an_event_or_a_letter(
    engine: TokenisingEngine, value: bytes | None
) -> None:
    subject = Subject(engine)
    subject.feed([RawRecord("raw", 0, 0, value, value, (), 1_700_000_000.0)])
    assert subject.wrong == []
