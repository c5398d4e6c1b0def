"""Variations of training texts: more for a student to ask its teachers about, from the set itself."""

import random
from collections.abc import Sequence

import numpy as np
import pandas as pd

from training.data.merging import group_key
from training.data.rows import TARGETS
from training.data.sources import VARIED
from worker.inference.cleaning import clean

_SKIPPED, _SWAPPED, _CUT = 0.1, 0.1, 0.25
"""Chance that a word is left out, that another takes its place, and that of a text only some words in a row stay."""
_MOST_WORDS_CUT_OUT = 5


def with_variations(frame: pd.DataFrame, each: int, seed: int = 1, *, joins_copies: bool = False) -> pd.DataFrame:
    """The rows, and ``each`` unlabelled variations of every training row, of a source named after its own.

    Words go, are swapped for words of other training texts in proportion to their number, or a few in a row stay: Tang
    et al. 2019 (Distilling Task-Specific Knowledge from BERT into Simple Neural Networks), with their chances; they
    swap within a part of speech. What a variation says is the teachers' to tell. One that equals another text, or
    whose group is in validation or test, is left out, and so is one that `clean` would shorten.
    """
    train = frame[frame["split"] == "train"]
    words = [word for text in train["cleaned"] for word in text.split()]
    chance = random.Random(seed)  # noqa: S311 - no secret
    held_out = set(frame.loc[frame["split"].isin(("val", "test")), "group"])
    seen = set(frame["cleaned"])
    made = []
    for source, text in list(zip(train["source"], train["cleaned"], strict=True)) * each:
        varied = _varied(text.split(), words, chance)
        if not varied or varied in seen or clean(varied) != varied:
            continue
        if (group := group_key(varied, joins_copies=joins_copies)) not in held_out:
            seen.add(varied)
            made.append((varied, varied, group, source + VARIED, "unlabelled"))
    variations = pd.DataFrame(made, columns=["text", "cleaned", "group", "source", "split"])
    variations[TARGETS] = np.float32("nan")
    return pd.concat([frame, variations], ignore_index=True)


def _varied(text: Sequence[str], words: Sequence[str], chance: random.Random) -> str:
    draws = [(chance.random(), word) for word in text]
    left = [chance.choice(words) if draw < _SKIPPED + _SWAPPED else word for draw, word in draws if draw >= _SKIPPED]
    if left and chance.random() < _CUT:
        start = chance.randrange(len(left))
        left = left[start : start + chance.randint(1, _MOST_WORDS_CUT_OUT)]
    return " ".join(left)
