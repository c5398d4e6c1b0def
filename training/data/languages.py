"""A guess at the languages of a set, to find out whether it is what one thinks it is."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

SAMPLE: Final = 2000
LEAST_WORDS: Final = 4
"""Shorter texts tell no language."""
_CANDIDATES = (
    *("en", "es", "pt", "fr", "de", "it", "nl", "sv", "pl", "tr", "id", "ms", "tl", "ru", "uk", "ar", "fa", "hi"),
    *("bn", "ur", "th", "vi", "ja", "ko", "zh", "el"),
)
"""The languages of most tweets; with more of them to choose from, short English texts get lost among rare ones."""


def languages(cleaned: Sequence[str], seed: int = 13) -> dict[str, float]:
    """Shares of languages by ISO 639-1 code, the most frequent first, from a sample of cleaned texts.

    ``short`` are texts of fewer than four words. The guesses are py3langid's (langid.py, Lui and Baldwin 2012), wrong
    for about one short text in twenty: read large shares, not single rows.
    """
    if not cleaned:
        return {}
    chosen = np.random.default_rng(seed).permutation(len(cleaned))[:SAMPLE]
    guesser = _guesser()
    counts: Counter[str] = Counter()
    for index in chosen:
        words = [word for word in cleaned[index].split() if word[:1] not in "<:"]
        counts[guesser.classify(" ".join(words))[0] if len(words) >= LEAST_WORDS else "short"] += 1
    return {language: round(n / len(chosen), 4) for language, n in counts.most_common()}


def _guesser() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415 - a second to load

    guesser = LanguageIdentifier.from_model_file(MODEL_FILE)
    guesser.set_languages(list(_CANDIDATES))
    return guesser
