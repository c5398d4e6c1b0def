"""Tokenizers of words in plain Python: the ids that `tokenizers` gives, sooner and in less memory (ADR 22)."""

import functools
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat

STANDS_FOR_NOTHING = "."
"""What a text without any token is read as."""
_NOT_FOUND = -1
_KEPT_WORDS, _LONGEST_KEPT_CHARS = 16_384, 40
"""How many words outside the vocabulary have their parts cached, and how long such a word may be."""


class WordTokeniser:
    """Finds the words of a text, looks them up, and takes apart those that it does not know.

    Args:
        words: splits a text into words.
        vocabulary: word -> id.
        parts: ids of the parts of a word that is not in the vocabulary.
        frame: ids that stand before and after every text.
        max_tokens: ids at most, the frame among them; the rest is cut off.
    """

    def __init__(
        self,
        words: Callable[[str], list[str]],
        vocabulary: Mapping[str, int],
        parts: Callable[[str], list[int]],
        frame: tuple[Sequence[int], Sequence[int]],
        max_tokens: int,
    ) -> None:
        self._words, self._vocabulary, self._take_apart = words, vocabulary, parts
        self._names = {index: word for word, index in vocabulary.items()}
        self._kept_parts = functools.lru_cache(_KEPT_WORDS)(parts)
        self._before, self._after = frame
        self._room = max_tokens - len(self._before) - len(self._after)
        self._empty = self._ids_of(STANDS_FOR_NOTHING)

    def ids(self, cleaned: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, at least one and at most ``max_tokens``."""
        return [self._ids_of(text) or self._empty for text in cleaned]

    def tokens(self, cleaned: str) -> list[str]:
        """What the model sees of a cleaned text."""
        return [self._names[index] for index in self._ids_of(cleaned)]

    def _ids_of(self, text: str) -> list[int]:
        words = self._words(text)[: self._room]
        ids = list(map(self._vocabulary.get, words, repeat(_NOT_FOUND)))
        added = 0  # how many ids more than words stand before the place
        while _NOT_FOUND in ids:
            place = ids.index(_NOT_FOUND)
            parts = self._parts_of(words[place - added])
            ids[place : place + 1] = parts
            added += len(parts) - 1
        return [*self._before, *ids[: self._room], *self._after]

    def _parts_of(self, word: str) -> list[int]:
        return self._kept_parts(word) if len(word) <= _LONGEST_KEPT_CHARS else self._take_apart(word)
