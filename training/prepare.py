"""Load, clean, encode, split, save: raw sets become one Parquet file with a fingerprint, and a report."""

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from schemas.emotions import EMOTIONS
from training.errors import TooFewRows
from training.sources import JUDGED_BY_PEOPLE, NONE_OF_SIX, Row
from worker.inference.cleaning import clean, cleaner_id, has_words

TARGETS = [f"p_{emotion}" for emotion in EMOTIONS]
HELD_OUT_SHARE = 0.1
LEAST_ROWS_OF_A_CLASS = 10
_ASIDES = re.compile(r"[@#]\w+|https?://\S+")
_NOT_WORD = re.compile(r"[^a-z0-9]+")


def group_key(text: str) -> str:
    """What near-duplicates share: the cleaned words without hashtags, mentions and URLs.

    A text that is nothing else keeps all its words.
    """
    bare = _NOT_WORD.sub(" ", clean(_ASIDES.sub(" ", text))).strip()
    return bare if len(bare) > 8 else _NOT_WORD.sub(" ", clean(text)).strip()


def prepare(rows: Iterable[Row], folder: Path) -> dict[str, Any]:
    """Write ``rows.parquet`` and ``report.json`` into ``folder``; returns the report.

    Columns: text (raw), cleaned, group, source, split (train, val, test, unlabelled) and six targets that sum to 1
    (NaN where unlabelled).

    Conflicts: rows of one cleaned text become one row with the mean of their targets. Splits: official ones where a
    set has them; elsewhere a tenth of the groups is held out as ``val`` by the hash of the group, so the same text
    lands on the same side in every run. A group that is in val or test anywhere is removed from train everywhere.

    Raises:
        TooFewRows: a class has fewer than ten training rows.
    """
    loaded = pd.DataFrame(rows, columns=list(Row._fields))
    report: dict[str, Any] = {"loaded": _inspect(loaded)}
    frame = _clean(loaded)
    report["without_words"] = len(loaded) - len(frame)
    frame, report["conflicting_texts"] = _one_row_a_text(frame)
    frame["split"] = _split(frame)
    frame, report["removed_from_train"] = _without_leaks(frame)
    _check_classes(frame)
    frame = frame.reset_index(drop=True)
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(folder / "rows.parquet")
    report |= {
        "rows": pd.crosstab(frame["source"], frame["split"]).to_dict("index"),
        "classes": {s: _class_balance(part) for s, part in frame.groupby("split") if s != "unlabelled"},
        "words_per_text": _words(frame["cleaned"]).describe(percentiles=[0.5, 0.9, 0.99]).to_dict(),
        "cleaner_id": cleaner_id(),
        "sha256": fingerprint(frame),
    }
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report


def fingerprint(frame: pd.DataFrame) -> str:
    """sha256 over texts, splits and targets in order."""
    columns = frame[["cleaned", "split", *TARGETS]]
    return hashlib.sha256(columns.to_csv(index=False, float_format="%.6f").encode()).hexdigest()


def _words(cleaned: pd.Series) -> pd.Series:
    return cleaned.map(lambda text: len(text.split()))


def _inspect(frame: pd.DataFrame) -> dict[str, Any]:
    return {
        str(source): {
            "rows": len(part),
            "missing_text": int((part["text"].str.strip() == "").sum()),
            "duplicates": int(part["text"].duplicated().sum()),
            "characters_p50": float(part["text"].str.len().median()),
        }
        for source, part in frame.groupby("source")
    }


def _clean(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.assign(cleaned=[clean(text) for text in frame["text"]])
    frame = frame[[has_words(cleaned) for cleaned in frame["cleaned"]]]
    targets = np.asarray([t if t is not None else (np.nan,) * 6 for t in frame["target"]], np.float32)
    frame = frame.assign(
        group=[group_key(text) for text in frame["text"]], **dict(zip(TARGETS, targets.T, strict=True))
    )
    return frame.drop(columns="target")


def _one_row_a_text(frame: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The mean target of equal texts in one official split; labels by people go before others."""
    rank = frame["source"].map(lambda source: 0 if source in JUDGED_BY_PEOPLE else 1) + 2 * frame[TARGETS[0]].isna()
    frame = frame.assign(rank=rank)
    best = frame.groupby(["cleaned", "split"])["rank"].transform("min")
    frame = frame[frame["rank"] == best]
    grouped = frame.groupby(["cleaned", "split"], sort=False)
    conflicts = int((grouped[TARGETS].std().max(axis=1) > 0).sum())
    merged = grouped.agg({"text": "first", "group": "first", "source": "first", **dict.fromkeys(TARGETS, "mean")})
    return merged.reset_index(), conflicts


def _split(frame: pd.DataFrame) -> pd.Series:
    share = frame["group"].map(lambda key: int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) / 2**32)
    own = frame["split"].where(frame["split"] != "", np.where(share < HELD_OUT_SHARE, "val", "train"))
    return own.mask(frame[TARGETS[0]].isna(), "unlabelled")


def _without_leaks(frame: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Drop from train and unlabelled what stands in val or test, and from val what stands in test."""
    in_test = frame["group"].isin(set(frame.loc[frame["split"] == "test", "group"]))
    in_val = frame["group"].isin(set(frame.loc[frame["split"] == "val", "group"]))
    leaks = (frame["split"].isin(("train", "unlabelled")) & (in_test | in_val)) | ((frame["split"] == "val") & in_test)
    return frame[~leaks], int(leaks.sum())


def _class_balance(frame: pd.DataFrame) -> dict[str, float]:
    return {emotion: round(float(frame[f"p_{emotion}"].sum()), 1) for emotion in EMOTIONS}


def _check_classes(frame: pd.DataFrame) -> None:
    balance = _class_balance(frame[frame["split"] == "train"])
    poor = [e for e, rows in balance.items() if 0 < rows < LEAST_ROWS_OF_A_CLASS]
    if poor or not any(balance.values()):
        raise TooFewRows(
            f"fewer than {LEAST_ROWS_OF_A_CLASS} training rows of {', '.join(poor) or 'any class'}: {balance}"
        )


def is_certain(frame: pd.DataFrame) -> pd.Series:
    """Rows that carry at least one of the six, as a boolean series."""
    return frame[TARGETS].max(axis=1) > max(NONE_OF_SIX) + 1e-6
