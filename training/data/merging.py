"""Equal texts become one row; near-duplicates get a key in common."""

import re
import unicodedata
from typing import Literal

import pandas as pd

from training.data.rows import TARGETS
from worker.inference.cleaning import PLACEHOLDERS, clean, without_asides

Conflicts = Literal["mean", "first"]
"""Equal texts with different labels get the mean of their targets, or the target of the first."""
_ASIDES = re.compile(r"[@#]\w+|https?://\S+")
_PLACEHOLDERS = re.compile("|".join(PLACEHOLDERS))
_NOT_WORD = re.compile(r"[^a-z0-9]+")
_RETWEET = re.compile(r"(?:\s*rt\s*(?:@\w+|<user>)(?:\s*:)?)+", re.IGNORECASE)


def group_key(text: str, *, joins_copies: bool = False) -> str:
    """What near-duplicates share: the cleaned words without hashtags, mentions and URLs.

    With ``joins_copies`` retweets and copies with other emoji share it too. A text that is nothing else keeps all its
    words, one without Latin letters and digits is its own key.
    """
    plain = unicodedata.normalize("NFKC", text)
    if joins_copies and (retweet := _RETWEET.match(plain)):
        plain = plain[retweet.end() :]
    cleaned = clean(_ASIDES.sub(" ", plain))
    if joins_copies:
        cleaned = without_asides(cleaned)
    bare = _NOT_WORD.sub(" ", _PLACEHOLDERS.sub(" ", cleaned)).strip()
    if len(bare) > 8:
        return bare
    cleaned = clean(text)
    return _NOT_WORD.sub(" ", cleaned).strip() or cleaned


def one_row_a_text(
    frame: pd.DataFrame, official_test: pd.Series, judged: frozenset[str], conflicts: Conflicts
) -> tuple[pd.DataFrame, int]:
    """One row for each cleaned text in one split, and how many of them had conflicting labels.

    Rows of the sources in ``judged`` go before others, labelled before unlabelled ones. Rows of an official test, a
    boolean series, stay as they are: its figures are to be compared with those of others.
    """
    rank = frame["source"].map(lambda source: 0 if source in judged else 1) + 2 * frame[TARGETS[0]].isna()
    frame = frame.assign(rank=rank, each=frame.groupby("cleaned").cumcount().where(official_test, 0))
    best = frame.groupby(["cleaned", "split"])["rank"].transform("min")
    frame = frame[frame["rank"] == best]
    grouped = frame.groupby(["cleaned", "split", "each"], sort=False)
    conflicting = int((grouped[TARGETS].std().max(axis=1) > 0).sum())
    rules = {"text": "first", "group": "first", "source": "first", **dict.fromkeys(TARGETS, conflicts)}
    merged = grouped.agg(rules)
    return merged.reset_index().drop(columns="each"), conflicting


def without_unlabelled_copies(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows without the unlabelled ones whose cleaned text stands in train, where it is learned already."""
    learned = frame["cleaned"].isin(set(frame.loc[frame["split"] == "train", "cleaned"]))
    return frame[~(learned & (frame["split"] == "unlabelled"))]
