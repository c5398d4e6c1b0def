"""From cleaned texts to token ids, as a bundle's ``tokenizer.json`` (Hugging Face `tokenizers` format) says."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tokenizers import Tokenizer

from worker.inference.unigrams import read_unigrams
from worker.inference.word_pieces import read_word_pieces
from worker.inference.words import STANDS_FOR_NOTHING


class Tokeniser(Protocol):
    """What turns cleaned texts into what a model reads; several threads may ask at once."""

    def ids(self, cleaned: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, at least one and at most ``max_tokens``."""

    def tokens(self, cleaned: str) -> list[str]:
        """What the model sees of a cleaned text."""


class LibraryTokeniser:
    """Any tokenizer, run by `tokenizers` itself.

    Args:
        text: the content of ``tokenizer.json``.
        max_tokens: a text's tokens at most; the rest is cut off.
    """

    def __init__(self, text: str, max_tokens: int) -> None:
        self._whole: Tokenizer = Tokenizer.from_str(text)
        self._whole.enable_truncation(max_tokens)
        self._whole.no_padding()

    def ids(self, cleaned: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, at least one and at most ``max_tokens``."""
        encodings = self._whole.encode_batch_fast(list(cleaned))
        return [encoding.ids or self._whole.encode(STANDS_FOR_NOTHING).ids for encoding in encodings]

    def tokens(self, cleaned: str) -> list[str]:
        """What the model sees of a cleaned text."""
        tokens: list[str] = self._whole.encode(cleaned).tokens
        return tokens


def read_tokeniser(file: Path, max_tokens: int) -> Tokeniser:
    """The tokenizer of a bundle: by its words where that gives the same ids (ADR 22), else by `tokenizers`.

    Args:
        file: ``tokenizer.json``.
        max_tokens: a text's tokens at most; the rest is cut off.
    """
    text = file.read_text(encoding="utf-8")
    content = json.loads(text)
    by_words = read_unigrams(content, max_tokens) or read_word_pieces(content, max_tokens)
    return by_words or LibraryTokeniser(text, max_tokens)
