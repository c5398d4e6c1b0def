"""The short way to token ids gives what the bundle's tokenizer gives."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from worker.commands.bench.load import read_texts
from worker.inference.bundle import TOKENIZER_FILE
from worker.inference.cleaning import clean
from worker.inference.tokens import Tokeniser
from worker.settings import DEFAULT_BUNDLE

SHIPPED = Tokeniser(DEFAULT_BUNDLE / TOKENIZER_FILE, 12)
PIECES = [
    *"abcdst '_-!<>.0",
    "can't",
    "won't",
    "shan't",
    "n't",
    "'m",
    "'re",
    "'ve",
    "'ll",
    "'d",
    "'s",
    "<url>",
    "<user>",
]
PIECES += [
    "treatcustomersfairly",
    "ughh",
    "2nd",
    "szn",
    "<url>",
    "<user>",
    "i",
    "happy",
    " ",
    ":red heart:",
    "é",
    "’",
    "\u0345",
    "中",
    "CAN'T",
    "\t",
    "\x1c",
]
PLAIN = st.lists(st.sampled_from(PIECES), max_size=30).map("".join) | st.text(st.characters(max_codepoint=127))


@given(PLAIN | st.text())
@settings(max_examples=1000, deadline=None)
@example("")
@example("can't've won'twon't 's's'm x's'd n't_")
def test_word_ids_are_the_tokenizer_s(text: str) -> None:
    assert SHIPPED.ids([text, "happy", text]) == SHIPPED.ids_the_long_way([text, "happy", text])


def test_word_ids_of_tweets_are_the_tokenizer_s() -> None:
    cleaned = [clean(text) for text in read_texts()]
    assert SHIPPED.ids(cleaned) == SHIPPED.ids_the_long_way(cleaned)
    assert SHIPPED._words is not None


def of_words(**changes: object) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram([("<unk>", -1.0), ("a", -1.0), ("b", -1.0)], 0))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Split("a", "removed", invert=True)
    for name, value in changes.items():
        setattr(tokenizer, name, value)
    return tokenizer


@pytest.mark.parametrize(
    "changes",
    [
        {"pre_tokenizer": pre_tokenizers.WhitespaceSplit()},
        {"normalizer": normalizers.Lowercase()},
        {"normalizer": normalizers.Sequence([normalizers.NFKC()])},
        {"normalizer": normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace("a", "b")])},
        {"model": models.WordLevel({"<unk>": 0, "a": 1}, unk_token="<unk>")},  # noqa: S106 - a word
    ],
)
def test_a_tokenizer_of_another_make_goes_the_long_way(changes: dict[str, object], tmp_path: Path) -> None:
    file = tmp_path / TOKENIZER_FILE
    of_words(**changes).save(str(file))
    tokeniser = Tokeniser(file, 8)
    assert tokeniser._words is None
    assert tokeniser.ids(["a b a"]) == tokeniser.ids_the_long_way(["a b a"])
