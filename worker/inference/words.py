"""Tokenizers of words in plain Python: the ids that `tokenizers` gives, sooner and in less memory (ADR 22, ADR 35)."""

import functools
import json
import math
import re
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any

from tokenizers import Tokenizer

STANDS_FOR_NOTHING = "."
"""What a text without any token is read as."""
_UNSEEN = -1
_KEPT_WORDS, _LONGEST_KEPT_CHARS = 16_384, 40
"""How many words outside the vocabulary have their parts kept, and how long such a word may be."""
_UNKNOWN_COSTS = 10.0
"""How much less likely than the rarest piece an unknown letter is (`tokenizers`, as sentencepiece)."""
_NO_WORDS = {"type": "WordLevel", "vocab": {}, "unk_token": ""}
_APOSTROPHE_RULE = re.compile(r"(?:\\b)?([a-z]*'[a-z]+)\\b")


class WordParts:
    """Takes a word apart into the likeliest pieces: the unigram model of Kudo 2018, by Viterbi's algorithm.

    Args:
        vocabulary: piece -> id.
        scores: log-probability of each id.
        unknown: id of letters that no piece holds; neighbours become one token.
    """

    def __init__(self, vocabulary: dict[str, int], scores: Sequence[float], unknown: int) -> None:
        self._vocabulary, self._scores, self._unknown = vocabulary, scores, unknown
        self._longest = max(map(len, vocabulary))
        self._unknown_score = min(scores) - _UNKNOWN_COSTS

    def __call__(self, word: str) -> list[int]:
        """Ids of the pieces; of those that are equally likely, the ones whose last piece begins first."""
        find, scores, size = self._vocabulary.get, self._scores, len(word)
        best = [0.0] + [-math.inf] * size
        begin, piece = [0] * (size + 1), [self._unknown] * (size + 1)
        for start in range(size):
            so_far = best[start]
            for end in range(start + 1, min(start + self._longest, size) + 1):
                found = find(word[start:end], _UNSEEN)
                if found != _UNSEEN:
                    score = scores[found] + so_far
                elif end == start + 1:
                    found, score = self._unknown, self._unknown_score + so_far
                else:
                    continue
                if score > best[end]:
                    best[end], begin[end], piece[end] = score, start, found
        ids: list[int] = []
        end = size
        while end:
            if not ids or piece[end] != self._unknown or ids[-1] != self._unknown:
                ids.append(piece[end])
            end = begin[end]
        return ids[::-1]


class WordTokeniser:
    """Tokenizers that lower, replace by patterns, find words by one, look them up, and take others apart.

    Printable ASCII texts go through Python's own patterns: there they mean the same as the tokenizer's (Oniguruma).
    Elsewhere letters and spaces may differ, so that other texts have their words found by `tokenizers`.

    Args:
        rules: literal that a text must hold for the rule to apply, pattern, replacement.
        word: what a word is.
        vocabulary: word -> id, in the order of the ids.
        parts: ids of any other word.
        library: the same tokenizer, to lower, replace and find words.
        max_tokens: ids at most.
    """

    def __init__(
        self,
        rules: Sequence[tuple[str, re.Pattern[str], str]],
        word: re.Pattern[str],
        vocabulary: dict[str, int],
        parts: Callable[[str], list[int]],
        library: Tokenizer,
        max_tokens: int,
    ) -> None:
        self._rules, self._words, self._max_tokens = rules, word.findall, max_tokens
        self._vocabulary, self._names = vocabulary, list(vocabulary)
        self._take_apart, self._library = parts, library
        self._kept_parts = functools.lru_cache(_KEPT_WORDS)(parts)
        self._empty = self._ids_of([STANDS_FOR_NOTHING])

    def ids(self, cleaned: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, at least one and at most ``max_tokens``."""
        return [self._ids_of(self._words_of(text)) or self._empty for text in cleaned]

    def tokens(self, cleaned: str) -> list[str]:
        """What the model sees of a cleaned text."""
        return [self._names[index] for index in self._ids_of(self._words_of(cleaned))]

    def _words_of(self, text: str) -> list[str]:
        if not (text.isascii() and text.isprintable()):
            normal = self._library.normalizer.normalize_str(text)
            return [word for word, _ in self._library.pre_tokenizer.pre_tokenize_str(normal)]
        text = text.lower()
        if "'" in text:
            for literal, pattern, replacement in self._rules:
                if literal in text:
                    text = pattern.sub(replacement, text)
        return self._words(text)

    def _ids_of(self, words: list[str]) -> list[int]:
        words = words[: self._max_tokens]
        ids = list(map(self._vocabulary.get, words, repeat(_UNSEEN)))
        grown = 0
        while _UNSEEN in ids:
            place = ids.index(_UNSEEN)
            parts = self._parts_of(words[place - grown])
            ids[place : place + 1] = parts
            grown += len(parts) - 1
        return ids[: self._max_tokens]

    def _parts_of(self, word: str) -> list[int]:
        return self._kept_parts(word) if len(word) <= _LONGEST_KEPT_CHARS else self._take_apart(word)

    @classmethod
    def read(cls, tokenizer: dict[str, Any], max_tokens: int) -> "WordTokeniser | None":
        """From the content of a ``tokenizer.json``; None for one of another make."""
        try:
            rules = _rules(tokenizer["normalizer"])
            word = _word(tokenizer["pre_tokenizer"])
            model = tokenizer["model"]
            is_plain = not tokenizer["added_tokens"] and tokenizer["post_processor"] is None
            is_unigram = model["type"] == "Unigram" and model["unk_id"] is not None and not model["byte_fallback"]
            if rules is None or word is None or not (is_plain and is_unigram):
                return None
            vocabulary = {piece: index for index, (piece, _) in enumerate(model["vocab"])}
            parts = WordParts(vocabulary, [score for _, score in model["vocab"]], model["unk_id"])
            library = Tokenizer.from_str(json.dumps({**tokenizer, "model": _NO_WORDS}))
            return cls(rules, word, vocabulary, parts, library, max_tokens)
        except (KeyError, TypeError, re.error):
            return None


def _rules(normalizer: dict[str, Any]) -> list[tuple[str, re.Pattern[str], str]] | None:
    """The replacements of a sequence that begins with lower-casing, if each is of words with an apostrophe."""
    first, *others = normalizer["normalizers"]
    if normalizer["type"] != "Sequence" or first != {"type": "Lowercase"}:
        return None
    rules = []
    for other in others:
        pattern, replacement = other["pattern"]["Regex"], other["content"]
        literal = _APOSTROPHE_RULE.fullmatch(pattern)
        if other["type"] != "Replace" or literal is None or "\\" in replacement:
            return None
        rules.append((literal[1], re.compile(pattern, re.ASCII), replacement))
    return rules


def _word(pre_tokenizer: dict[str, Any]) -> re.Pattern[str] | None:
    kept = {**pre_tokenizer, "pattern": None}
    if kept != {"type": "Split", "pattern": None, "behavior": "Removed", "invert": True}:
        return None
    word = re.compile(pre_tokenizer["pattern"]["Regex"], re.ASCII)
    return word if word.groups == 0 else None
