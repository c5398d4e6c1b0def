"""The LSTM's tokenizer: whole words, and the likeliest parts of words that it does not know (ADR 22, ADR 35)."""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from tokenizers import Tokenizer

from worker.inference.words import WordTokeniser

_NOT_FOUND = -1
_UNKNOWN_COSTS = 10.0
"""How much less likely than the rarest piece an unknown letter is (`tokenizers`, as sentencepiece)."""
_NO_WORDS = {"type": "WordLevel", "vocab": {}, "unk_token": ""}
_APOSTROPHE_RULE = re.compile(r"(?:\\b)?([a-z]*'[a-z]+)\\b")


class WordParts:
    """Takes a word apart into the likeliest pieces: the unigram model of Kudo 2018, by Viterbi's algorithm.

    Args:
        vocabulary: piece -> id.
        scores: log-probability of each id.
        unknown: id of letters that no piece holds; a run of such letters becomes one token.
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
                found = find(word[start:end], _NOT_FOUND)
                if found != _NOT_FOUND:
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


def read_unigrams(tokenizer: dict[str, Any], max_tokens: int) -> WordTokeniser | None:
    """A tokenizer that lowers, replaces words with an apostrophe, and knows a word by one pattern.

    Printable ASCII texts go through Python's own patterns: there they mean the same as the tokenizer's (Oniguruma).
    Elsewhere letters and spaces may differ, so that other texts have their words found by `tokenizers`.

    Args:
        tokenizer: the content of a ``tokenizer.json``.
        max_tokens: a text's tokens at most.

    Returns:
        None for any other tokenizer.
    """
    try:
        rules, word = _rules(tokenizer["normalizer"]), _word(tokenizer["pre_tokenizer"])
        model = tokenizer["model"]
        is_plain = not tokenizer["added_tokens"] and tokenizer["post_processor"] is None
        is_unigram = model["type"] == "Unigram" and model["unk_id"] is not None and not model["byte_fallback"]
    except (KeyError, TypeError, ValueError, re.error):
        return None
    if rules is None or word is None or not (is_plain and is_unigram):
        return None
    vocabulary = {piece: index for index, (piece, _) in enumerate(model["vocab"])}
    parts = WordParts(vocabulary, [score for _, score in model["vocab"]], model["unk_id"])
    library = Tokenizer.from_str(json.dumps({**tokenizer, "model": _NO_WORDS}))

    def words(text: str) -> list[str]:
        if not (text.isascii() and text.isprintable()):
            normal = library.normalizer.normalize_str(text)
            return [word for word, _ in library.pre_tokenizer.pre_tokenize_str(normal)]
        text = text.lower()
        if "'" in text:
            for literal, pattern, replacement in rules:
                if literal in text:
                    text = pattern.sub(replacement, text)
        return find(text)

    find = word.findall
    return WordTokeniser(words, vocabulary, parts, ((), ()), max_tokens)


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
    """The pattern of a word, if the text is split by one pattern without groups."""
    kept = {**pre_tokenizer, "pattern": None}
    if kept != {"type": "Split", "pattern": None, "behavior": "Removed", "invert": True}:
        return None
    word = re.compile(pre_tokenizer["pattern"]["Regex"], re.ASCII)
    return word if word.groups == 0 else None
