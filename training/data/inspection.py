"""What a set looks like before anything is done to it."""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from training.data.languages import languages

_LENGTH_EDGES = (0, 5, 10, 15, 20, 25, 30, 40, 60)


def inspect(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """For each source: rows, missing values, class balance, lengths, languages, duplicates, conflicting labels.

    Args:
        frame: columns of `Row`, and ``cleaned`` and ``group``.
    """
    return {str(source): _one(part) for source, part in frame.groupby("source", sort=False)}


def _one(part: pd.DataFrame) -> dict[str, Any]:
    texts, kept = part["text"].str.strip(), part[part["left_out"] == ""]
    words = kept["cleaned"].map(lambda text: len(text.split()))
    return {
        "rows": len(part),
        "left_out_by_reader": dict(Counter(part.loc[part["left_out"] != "", "left_out"])),
        "missing_text": int((texts == "").sum()),
        "without_label": int(part["labels"].isna().sum()),
        "several_labels": int((kept["labels"].str.len() > 1).sum()),
        "labels": dict(Counter(label for labels in kept["labels"].dropna() for label in labels).most_common()),
        "official_splits": {str(k): int(n) for k, n in part["split"].replace("", "none").value_counts().items()},
        "duplicates": int(texts.duplicated().sum()),
        "near_duplicates": int(kept["group"].duplicated().sum()),
        "conflicting_texts": _conflicting(kept),
        "words": lengths(words),
        "characters_p50": float(texts.str.len().median()),
        "languages": languages(list(kept["cleaned"])),
    }


def lengths(words: pd.Series) -> dict[str, Any]:
    """Quantiles of words a text, and how many texts lie between the edges."""
    if words.empty:
        return {"p50": 0.0, "p90": 0.0, "p99": 0.0, "max": 0, "edges": [], "texts": []}
    edges = [*_LENGTH_EDGES, max(_LENGTH_EDGES[-1] + 1, int(words.max()) + 1)]
    return {
        **{f"p{q}": float(words.quantile(q / 100)) for q in (50, 90, 99)},
        "max": int(words.max()),
        "edges": edges,
        "texts": np.histogram(words, bins=edges)[0].tolist(),
    }


def _conflicting(part: pd.DataFrame) -> int:
    """Equal cleaned texts that got different labels."""
    labelled = part[part["labels"].notna()]
    together = labelled["labels"].map(lambda labels: " ".join(sorted(labels)))
    different = pd.DataFrame({"text": labelled["cleaned"], "labels": together}).drop_duplicates()
    return int((different["text"].value_counts() > 1).sum())
