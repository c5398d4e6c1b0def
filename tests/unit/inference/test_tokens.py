"""The short way to token ids gives what the bundle's tokenizer gives."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

from worker.commands.bench.load import read_texts
from worker.inference.bundle import TOKENIZER_FILE
from worker.inference.cleaning import clean
from worker.inference.tokens import LibraryTokeniser, Tokeniser, read_tokeniser
from worker.inference.unigrams import WordParts
from worker.inference.words import WordTokeniser
from worker.settings import DEFAULT_BUNDLE

MOST_TOKENS = 12
FILES = [folder / TOKENIZER_FILE for folder in sorted(DEFAULT_BUNDLE.parent.iterdir())]
BOTH_WAYS = [
    (read_tokeniser(file, MOST_TOKENS), LibraryTokeniser(file.read_text(encoding="utf-8"), MOST_TOKENS))
    for file in FILES
]
LSTM = read_tokeniser(DEFAULT_BUNDLE / TOKENIZER_FILE, MOST_TOKENS)
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
    "[CLS]",
    "[mask]",
    "##ing",
    "<URL>",
    "x" * 101,
]
PLAIN = st.lists(st.sampled_from(PIECES), max_size=30).map("".join) | st.text(st.characters(max_codepoint=127))


@given(PLAIN | st.text())
@settings(max_examples=1000)
@example("")
@example("can't've won'twon't 's's'm x's'd n't_")
@example("中文中" * 9 + "happyhappy")
def test_word_ids_are_the_library_s(text: str) -> None:
    for by_words, library in BOTH_WAYS:
        assert by_words.ids([text, "happy", text]) == library.ids([text, "happy", text])


def test_word_ids_of_tweets_are_the_library_s() -> None:
    cleaned = [clean(text) for text in read_texts()]
    for by_words, library in BOTH_WAYS:
        assert isinstance(by_words, WordTokeniser)
        assert by_words.ids(cleaned) == library.ids(cleaned)


LETTERS = st.sampled_from("aabcd中é")
WORDS = st.text(LETTERS, min_size=1, max_size=4)


@given(st.dictionaries(WORDS, st.floats(-9, 0), min_size=1), st.text(LETTERS, max_size=24))
@settings(max_examples=1000)
def test_a_word_has_the_library_s_parts(scores: dict[str, float], word: str) -> None:
    pieces = [("<unk>", -5.0), *scores.items()]
    library = Tokenizer(models.Unigram(pieces, 0))
    ids = {piece: index for index, (piece, _) in enumerate(pieces)}
    assert WordParts(ids, [score for _, score in pieces], 0)(word) == library.encode(word).ids


def test_tokens_say_what_the_model_knows() -> None:
    assert LSTM.tokens("so #treatcustomersfairly 中文") == ["so", "#", "treat", "customers", "fairly", "<unk>"]


def of_words(**changes: object) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram([("<unk>", -1.0), ("a", -1.0), ("b", -1.0)], 0))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Split("a", "removed", invert=True)
    return changed(tokenizer, changes)


def of_word_pieces(added: str | AddedToken = "<url>", **changes: object) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, "[CLS]": 1, "a": 2, "##b": 3}, unk_token="[UNK]"))  # noqa: S106 - a word
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_tokens([added])
    return changed(tokenizer, changes)


def changed(tokenizer: Tokenizer, changes: dict[str, object]) -> Tokenizer:
    for name, value in changes.items():
        setattr(tokenizer, name, value)
    return tokenizer


def read(tokenizer: Tokenizer, folder: Path, max_tokens: int = 8) -> tuple[Tokeniser, LibraryTokeniser]:
    file = folder / TOKENIZER_FILE
    tokenizer.save(str(file))
    return read_tokeniser(file, max_tokens), LibraryTokeniser(file.read_text(encoding="utf-8"), max_tokens)


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
    assert isinstance(read(of_words(**changes), tmp_path)[0], LibraryTokeniser)


@pytest.mark.parametrize(
    "tokenizer",
    [
        of_word_pieces(normalizer=normalizers.Lowercase()),
        of_word_pieces(normalizer=None),
        of_word_pieces(pre_tokenizer=pre_tokenizers.Whitespace()),
        of_word_pieces(AddedToken("url", single_word=True)),
        of_word_pieces(AddedToken("URL")),
    ],
)
def test_word_pieces_of_another_make_are_left_to_the_library(tokenizer: Tokenizer, tmp_path: Path) -> None:
    assert isinstance(read(tokenizer, tmp_path)[0], LibraryTokeniser)


def test_word_pieces_without_a_frame_give_an_empty_text_the_same_stand_in(tmp_path: Path) -> None:
    by_words, library = read(of_word_pieces(), tmp_path)
    assert isinstance(by_words, WordTokeniser)
    assert by_words.ids(["", "ab<url>", "b"]) == library.ids(["", "ab<url>", "b"]) == [[0], [2, 3, 4], [0]]


def test_word_pieces_that_leave_no_room_for_a_word_are_left_to_the_library(tmp_path: Path) -> None:
    framed = of_word_pieces(post_processor=processors.BertProcessing(("[CLS]", 1), ("[CLS]", 1)))
    assert isinstance(read(framed, tmp_path, max_tokens=3)[0], WordTokeniser)
    assert isinstance(read(framed, tmp_path, max_tokens=2)[0], LibraryTokeniser)


def test_a_sequence_of_no_normalizers_is_left_to_the_library(tmp_path: Path) -> None:
    library = Tokenizer(models.WordLevel({"so": 0, "?": 1}, "?"))
    library.normalizer = normalizers.Sequence([])
    library.save(str(tmp_path / TOKENIZER_FILE))
    assert read_tokeniser(tmp_path / TOKENIZER_FILE, 4).ids(["so"]) == [[0]]
