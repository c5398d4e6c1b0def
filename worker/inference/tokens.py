"""From cleaned texts to token ids, as a bundle's ``tokenizer.json`` (Hugging Face `tokenizers`) says."""

import functools
import json
import re
from collections.abc import Callable, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

_EMPTY = "."
_UNSEEN = -1
_KEPT_WORDS, _LONGEST_KEPT_CHARS = 16_384, 40
"""How many words outside the vocabulary have their parts kept, and how long such a word may be."""


class Tokeniser:
    """The bundle's tokenizer, with a short way for those of words (ADR 22).

    Args:
        file: ``tokenizer.json``.
        max_tokens: a text's tokens at most; the rest is cut off.
    """

    def __init__(self, file: Path, max_tokens: int) -> None:
        text = file.read_text(encoding="utf-8")
        self._whole: Tokenizer = Tokenizer.from_str(text)
        self._whole.enable_truncation(max_tokens)
        self._whole.no_padding()
        self._words = WordIds.read(json.loads(text), max_tokens, self._parts)

    def ids(self, cleaned: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, at least one and at most ``max_tokens``."""
        if self._words is None:
            return self.ids_the_long_way(cleaned)
        ids = [self._words.ids(text) if text.isascii() and text.isprintable() else [] for text in cleaned]
        missing = [number for number, found in enumerate(ids) if not found]
        if missing:
            found = self.ids_the_long_way([cleaned[number] for number in missing])
            for number, some in zip(missing, found, strict=True):
                ids[number] = some
        return ids

    def ids_the_long_way(self, cleaned: Sequence[str]) -> list[list[int]]:
        """As `ids`, through the tokenizer itself."""
        encodings = self._whole.encode_batch_fast(list(cleaned))
        return [encoding.ids or self._whole.encode(_EMPTY).ids for encoding in encodings]

    def _parts(self, word: str) -> list[int]:
        parts: list[int] = self._whole.encode(word).ids
        return parts

    def tokens(self, cleaned: str) -> list[str]:
        """What the model sees of a cleaned text."""
        tokens: list[str] = self._whole.encode(cleaned).tokens
        return tokens


class WordIds:
    """Word ids of printable ASCII texts, for tokenizers that lower, replace by patterns, split by one, look words up.

    There Python's patterns and the tokenizer's (Oniguruma) mean the same; elsewhere letters and spaces may differ.

    Args:
        rules: literal that a text must hold for the rule to apply, pattern, replacement.
        word: what a word is.
        vocabulary: word -> id.
        parts: ids of any other word.
        max_tokens: ids at most.
    """

    def __init__(
        self,
        rules: Sequence[tuple[str, re.Pattern[str], str]],
        word: re.Pattern[str],
        vocabulary: dict[str, int],
        parts: Callable[[str], list[int]],
        max_tokens: int,
    ) -> None:
        self._rules, self._words, self._max_tokens = rules, word.findall, max_tokens
        self._vocabulary, self._take_apart = vocabulary, parts
        self._parts = functools.lru_cache(_KEPT_WORDS)(parts)

    def ids(self, text: str) -> list[int]:
        """Ids of a printable ASCII text; none where it holds no word."""
        text = text.lower()
        if "'" in text:
            for literal, pattern, replacement in self._rules:
                if literal in text:
                    text = pattern.sub(replacement, text)
        words = self._words(text)[: self._max_tokens]
        ids = list(map(self._vocabulary.get, words, repeat(_UNSEEN)))
        if _UNSEEN in ids:
            ids = [part for word, known in zip(words, ids, strict=True) for part in self._known_or_parts(word, known)]
        return ids[: self._max_tokens]

    def _known_or_parts(self, word: str, known: int) -> Sequence[int]:
        if known != _UNSEEN:
            return (known,)
        return self._parts(word) if len(word) <= _LONGEST_KEPT_CHARS else self._take_apart(word)

    @classmethod
    def read(cls, tokenizer: dict[str, Any], max_tokens: int, parts: Callable[[str], list[int]]) -> "WordIds | None":
        """From the content of a ``tokenizer.json``; None for one of another make."""
        try:
            rules = _rules(tokenizer["normalizer"])
            word = _word(tokenizer["pre_tokenizer"])
            model = tokenizer["model"]
            is_plain = not tokenizer["added_tokens"] and tokenizer["post_processor"] is None
            if rules is None or word is None or model["type"] != "Unigram" or not is_plain:
                return None
            vocabulary = {piece: index for index, (piece, _) in enumerate(model["vocab"])}
            return cls(rules, word, vocabulary, parts, max_tokens)
        except (KeyError, TypeError, re.error):
            return None


_APOSTROPHE_RULE = re.compile(r"(?:\\b)?([a-z]*'[a-z]+)\\b")


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
