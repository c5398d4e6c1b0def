"""BERT's word pieces, found as in `worker.inference.words` (ADR 22)."""

import json
import re
from typing import Any

from tokenizers import Tokenizer

from worker.inference.words import STANDS_FOR_NOTHING, WordTokeniser


def read_word_pieces(tokenizer: dict[str, Any], max_tokens: int) -> WordTokeniser | None:
    """A tokenizer by BERT's rules: words between spaces and marks, which WordPiece takes apart.

    Lower-case printable ASCII texts, nearly all that `clean` gives, have their words found by a pattern; any other
    by `tokenizers`.

    Args:
        tokenizer: the content of a ``tokenizer.json``.
        max_tokens: a text's tokens at most.

    Returns:
        None for any other tokenizer.
    """
    types = [(tokenizer[part] or {}).get("type") for part in ("normalizer", "pre_tokenizer", "model")]
    added = tokenizer["added_tokens"]
    if types != ["BertNormalizer", "BertPreTokenizer", "WordPiece"] or not all(map(_stands_anywhere, added)):
        return None
    library = Tokenizer.from_str(json.dumps(tokenizer))
    library.no_padding()
    library.no_truncation()
    whole, inner = (library.encode(STANDS_FOR_NOTHING, add_special_tokens=add).ids for add in (True, False))
    start = whole.index(inner[0])
    frame = whole[:start], whole[start + len(inner) :]
    if len(whole) > max_tokens:
        return None
    library.enable_truncation(max_tokens)
    by_length = sorted((token["content"] for token in added), key=len, reverse=True)
    find = re.compile("|".join([*map(re.escape, by_length), "[a-z0-9]+", "[^a-z0-9 ]"])).findall

    def words(text: str) -> list[str]:
        if text.isascii() and text.isprintable() and text == text.lower():
            return find(text)
        tokens: list[str] = library.encode(text, add_special_tokens=False).tokens
        return tokens

    def parts(word: str) -> list[int]:
        return [token.id for token in library.model.tokenize(word)]

    return WordTokeniser(words, library.get_vocab(with_added_tokens=True), parts, frame, max_tokens)


def _stands_anywhere(token: dict[str, Any]) -> bool:
    """Whether an added token is found within words too, and in lower-case texts as it is written."""
    return not token["single_word"] and (not token["normalized"] or token["content"] == token["content"].lower())
