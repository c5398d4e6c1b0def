"""The short way to token ids gives what the bundle's tokenizer gives."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from worker.commands.bench.load import read_texts
from worker.inference.bundle import TOKENIZER_FILE
from worker.inference.cleaning import clean
from worker.inference.tokens import LibraryTokeniser, read_tokeniser
from worker.inference.words import WordParts, WordTokeniser
from worker.settings import DEFAULT_BUNDLE

FILE = DEFAULT_BUNDLE / TOKENIZER_FILE
SHIPPED = read_tokeniser(FILE, 12)
LIBRARY = LibraryTokeniser(FILE.read_text(encoding="utf-8"), 12)
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
@example("中文中" * 9 + "happyhappy")
def test_word_ids_are_the_library_s(text: str) -> None:
    assert SHIPPED.ids([text, "happy", text]) == LIBRARY.ids([text, "happy", text])


def test_word_ids_of_tweets_are_the_library_s() -> None:
    cleaned = [clean(text) for text in read_texts()]
    assert SHIPPED.ids(cleaned) == LIBRARY.ids(cleaned)
    assert isinstance(SHIPPED, WordTokeniser)


LETTERS = st.sampled_from("aabcd中é")
WORDS = st.text(LETTERS, min_size=1, max_size=4)


@given(st.dictionaries(WORDS, st.floats(-9, 0), min_size=1), st.text(LETTERS, max_size=24))
@settings(max_examples=1000, deadline=None)
def test_a_word_has_the_library_s_parts(scores: dict[str, float], word: str) -> None:
    pieces = [("<unk>", -5.0), *scores.items()]
    library = Tokenizer(models.Unigram(pieces, 0))
    ids = {piece: index for index, (piece, _) in enumerate(pieces)}
    assert WordParts(ids, [score for _, score in pieces], 0)(word) == library.encode(word).ids


def test_tokens_say_what_the_model_knows() -> None:
    assert SHIPPED.tokens("so #treatcustomersfairly 中文") == ["so", "#", "treat", "customers", "fairly", "<unk>"]


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
        {"model": models.Unigram([("a", -1.0)])},
        {"model": models.WordLevel({"<unk>": 0, "a": 1}, unk_token="<unk>")},  # noqa: S106 - a word
    ],
)
def test_a_tokenizer_of_another_make_is_left_to_the_library(changes: dict[str, object], tmp_path: Path) -> None:
    file = tmp_path / TOKENIZER_FILE
    of_words(**changes).save(str(file))
    assert isinstance(read_tokeniser(file, 8), LibraryTokeniser)
