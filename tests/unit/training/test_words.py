from pathlib import Path

import numpy as np
import pytest

from training.errors import DataUnreadable
from training.words import PAD, UNKNOWN, build_tokenizer, build_vocabulary, encode, initial_rows, load_glove
from worker.inference.cleaning import PLACEHOLDERS
from worker.inference.tokens import read_tokeniser


def test_glove_is_read_as_its_own_text_and_as_arrays(tmp_path: Path) -> None:
    vectors = np.random.default_rng(1).normal(size=(2, 100)).astype(np.float16)
    (tmp_path / "glove.txt").write_text(
        "".join(f"{word} {' '.join(map(str, vector))}\n" for word, vector in zip(("the", ","), vectors, strict=True))
    )
    np.savez(tmp_path / "glove.npz", words=np.array("the\n,"), vectors=vectors)
    for name in ("glove.txt", "glove.npz"):
        words, read = load_glove(tmp_path / name)
        assert words == ["the", ","]
        np.testing.assert_array_equal(read, vectors)


KNOWN = ["the", "to", "be", "i", "so", "happy", "a", "need", "needs", "new", "anew", "admitted", "unhappy", "tobe"]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("unhappy anew", ["unhappy", "anew"]),
        ("needstobeadmitted", ["needs", "tobe", "admitted"]),
        ("SoHappy #sohappy", ["so", "happy", "#", "so", "happy"]),
        ("happyx", ["happy", "x"]),
        ("zq", ["zq"]),
        ("can't <url>", ["can", "not", "<url>"]),
    ],
)
def test_a_word_is_whole_where_it_is_known_and_else_taken_apart(text: str, tokens: list[str]) -> None:
    tokenizer = build_tokenizer([PAD, UNKNOWN, *PLACEHOLDERS, *KNOWN, "can", "not", "#"])
    assert tokenizer.encode(text).tokens == tokens


def test_a_model_learns_from_the_ids_that_the_worker_gives_it(tmp_path: Path) -> None:
    tokenizer = build_tokenizer([PAD, UNKNOWN, *PLACEHOLDERS, *KNOWN, ".", "#"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    texts = ["'s", "", "so happy's #unhappy zq .", "I need <user>"]
    assert encode(tokenizer, texts) == read_tokeniser(tmp_path / "tokenizer.json", 48).ids(texts)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("missing.txt", None, r"cannot read GloVe .* wants glove\.6B\.100d\.txt"),
        ("words.txt", "the first word\n", "cannot read GloVe"),
        ("short.txt", "the 0.5 0.25\n", "take those of 100 numbers"),
        ("glove.npz", "not arrays", "cannot read GloVe"),
    ],
)
def test_other_files_are_named(tmp_path: Path, name: str, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataUnreadable, match=said):
        load_glove(tmp_path / name)


def test_placeholders_that_the_vectors_hold_too_stand_in_the_vocabulary_once_and_are_learned() -> None:
    glove = ["<user>", "the", "<url>", "the", "happy"]
    vocabulary, trained = build_vocabulary(["the <user> is happy"], glove, frequent=4)
    assert (vocabulary, trained) == ([PAD, UNKNOWN, *PLACEHOLDERS, "the"], [UNKNOWN, *PLACEHOLDERS])
    rows = initial_rows(vocabulary, glove, np.ones((5, 100), np.float16))
    assert rows.any(axis=1).tolist() == [False] * 4 + [True]
