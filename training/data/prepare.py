"""The five steps: load and inspect, clean, encode, split, save; raw sets become one Parquet file and a report."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from schemas.emotions import EMOTIONS
from training.data.inspection import inspect, lengths
from training.data.labels import USUAL, Names, check_known, target_of
from training.data.merging import Conflicts, group_key, one_row_a_text, without_unlabelled_copies
from training.data.rows import REPORT_FILE, ROWS_FILE, SPLITS, TARGETS, Row, excerpt, is_certain
from training.data.sources import JUDGED_BY_PEOPLE, credit
from training.data.splits import Shares, check_classes, split_rows, without_leaks
from training.data.variations import with_variations
from training.errors import TooFewRows
from training.files import replaced
from training.progress import worked
from worker.inference.cleaning import clean, cleaner_id, has_words

_MARKS = ("@", "#", r"&\w+;", "http", r"[^\x00-\x7f]", r"(\w)\1\1", "[A-Z]{3}", ":[)(DP]")


@dataclass(frozen=True, slots=True)
class Rules:
    """How rows are encoded and divided.

    Attributes:
        names: what foreign labels stand for.
        judged: sources whose labels go before those of others, as people gave them.
        joins_copies: whether retweets and copies with other emoji are near-duplicates (`group_key`).
        empty_classes: whether some of the six may have no row at all.
        variations: how many unlabelled ones of each training text are made.
    """

    names: Names = field(default_factory=lambda: USUAL)
    shares: Shares = field(default_factory=Shares)
    conflicts: Conflicts = "mean"
    judged: frozenset[str] = JUDGED_BY_PEOPLE
    joins_copies: bool = True
    empty_classes: bool = False
    variations: int = 0


def prepare(rows: Iterable[Row], folder: Path, rules: Rules | None = None) -> dict[str, Any]:
    """Write ``rows.parquet``, ``report.json`` and ``report.html`` into ``folder``; returns the report.

    Columns: text (raw), cleaned, group, source, split (train, val, test, unlabelled) and six targets that sum to 1
    (NaN where unlabelled).

    Conflicts: rows of one cleaned text become one row with the mean of their targets. Splits: official ones where a
    set has them; elsewhere by `split_rows`, so the same text lands on the same side in every run. A group that is in
    val or test anywhere is removed from train everywhere.

    Raises:
        TooFewRows: a class has fewer than ten training rows, or none in validation.
        LabelsUnknown: labels that are not mapped; all of them are listed.
    """
    rules = rules or Rules()
    loaded = pd.DataFrame(rows, columns=list(Row._fields))
    if loaded.empty:
        raise TooFewRows("there is not one row in what was given; check the files and columns")
    texts = list(loaded["text"])
    loaded = loaded.assign(
        cleaned=worked("cleaning", texts, clean),
        group=worked("looking for near-duplicates", texts, partial(group_key, joins_copies=rules.joins_copies)),
    )
    report: dict[str, Any] = {"load": inspect(loaded)}
    frame, dropped = _drop_unusable(loaded)
    if frame.empty:
        raise TooFewRows("no row holds a text with words; check --text-column")
    frame, report["encode"] = _encode(frame, rules.names)
    told_nothing = frame["says_nothing"].sum()
    frame = frame[~frame["says_nothing"]].drop(columns=["labels", "left_out", "says_nothing"])
    dropped["labels say nothing about the six"] = int(told_nothing)
    before = len(frame)
    frame, conflicting = one_row_a_text(frame, frame["split"] == "test", rules.judged, rules.conflicts)
    dropped["equal to another text"] = before - len(frame)
    official_test = frame["split"] == "test"
    frame["split"] = split_rows(frame, rules.shares)
    frame, leaks = without_leaks(frame)
    divided = len(frame)
    # Rows of an official split have met those of sets without one only now.
    frame, across = one_row_a_text(frame, official_test[frame.index], rules.judged, rules.conflicts)
    frame = without_unlabelled_copies(frame)
    dropped["equal to another text"] += divided - len(frame)
    report["clean"] = {
        "rows_before": len(loaded),
        "rows_after": before - dropped["equal to another text"],
        "dropped": dropped,
        "conflicting_texts": conflicting + across,
        "conflict_rule": rules.conflicts,
        "examples": _examples(frame),
    }
    check_classes(frame, allow_empty=rules.empty_classes)
    frame = with_variations(frame, rules.variations, joins_copies=rules.joins_copies)
    report["split"] = _split_report(frame, leaks, rules.shares)
    report["save"] = _save(frame, folder)
    from training.reports.preparation import write_page  # noqa: PLC0415 - matplotlib

    report["sources"] = {s: dict(zip(("title", "licence"), credit(s), strict=True)) for s in report["load"]}
    with replaced(folder / REPORT_FILE) as path:
        path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    write_page(report, frame, folder)
    return report


def _drop_unusable(loaded: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    reasons = loaded["left_out"].mask(
        (loaded["left_out"] == "") & ~loaded["cleaned"].map(has_words), "no words but links, mentions, emoji or marks"
    )
    reasons = reasons.mask((loaded["left_out"] == "") & (loaded["text"].str.strip() == ""), "no text")
    return loaded[reasons == ""], dict(Counter(reasons[reasons != ""]).most_common())


def _encode(frame: pd.DataFrame, names: Names) -> tuple[pd.DataFrame, dict[str, Any]]:
    counts = check_known(zip(frame["source"], frame["labels"], strict=True), names)
    found = [None if labels is None else target_of(labels, names) for labels in frame["labels"]]
    says_nothing = [t is None and labels is not None for t, labels in zip(found, frame["labels"], strict=True)]
    targets = np.asarray([t if t is not None else (np.nan,) * len(EMOTIONS) for t in found], np.float32)
    frame = frame.assign(says_nothing=says_nothing, **dict(zip(TARGETS, targets.T, strict=True)))
    certain = is_certain(frame)
    used = [
        {"source": source, "label": label, "rows": n, "becomes": list(names[label])}
        for (source, label), n in sorted(counts.items(), key=lambda pair: (pair[0][0], -pair[1]))
    ]
    return frame, {
        "labels": used,
        "one_of_six": int((frame[TARGETS].max(axis=1) == 1).sum()),
        "several_of_six": int((certain & (frame[TARGETS].max(axis=1) < 1)).sum()),
        "none_of_six": int((frame[TARGETS[0]].notna() & ~certain).sum()),
        "unlabelled": int(frame["labels"].isna().sum()),
    }


def _examples(frame: pd.DataFrame, most: int = 12) -> list[dict[Any, Any]]:
    """Texts of every source that show the most of what cleaning does."""
    sample = frame.groupby("source", sort=False).head(300)
    shows = sample["text"].map(lambda text: len({mark for mark in _MARKS if re.search(mark, text)}))
    sample = sample.assign(shows=shows).sort_values("shows", ascending=False, kind="stable")
    chosen = sample.groupby("source", sort=False).head(max(1, most // sample["source"].nunique()))
    quoted = chosen.head(most).assign(text=chosen["text"].map(excerpt), cleaned=chosen["cleaned"].map(excerpt))
    return quoted[["source", "text", "cleaned"]].to_dict("records")


def _split_report(frame: pd.DataFrame, leaks: pd.DataFrame, shares: Shares) -> dict[str, Any]:
    labelled = frame[frame["split"] != "unlabelled"]
    parts = {split: labelled[labelled["split"] == split] for split in SPLITS}
    sides = labelled.groupby("group")["split"].nunique()
    return {
        "rule": {"val_share": shares.val, "test_share": shares.test, "fold": shares.fold},
        "rows": pd.crosstab(frame["source"], frame["split"]).loc[frame["source"].unique()].to_dict("index"),
        "classes": {split: class_balance(part) for split, part in parts.items() if not part.empty},
        "groups": int(frame["group"].nunique()),
        "groups_of_several": int((frame["group"].value_counts() > 1).sum()),
        "groups_on_two_sides": int((sides > 1).sum()),
        "removed_as_leaks": pd.crosstab(leaks["source"], leaks["split"]).to_dict("index"),
        "words": lengths(frame["cleaned"].map(lambda text: len(text.split()))),
    }


def class_balance(frame: pd.DataFrame) -> dict[str, float]:
    """Rows of each emotion, soft targets counted by their shares."""
    return {emotion: round(float(frame[f"p_{emotion}"].sum()), 1) for emotion in EMOTIONS}


def _save(frame: pd.DataFrame, folder: Path) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    with replaced(folder / ROWS_FILE) as path:
        frame.to_parquet(path)
    columns = [str(column) for column in frame.columns]
    return {"rows": len(frame), "columns": columns, "cleaner_id": cleaner_id(), "sha256": fingerprint(frame)}


def fingerprint(frame: pd.DataFrame) -> str:
    """sha256 over texts, splits and targets in order."""
    columns = frame[["cleaned", "split", *TARGETS]]
    return hashlib.sha256(columns.to_csv(index=False, float_format="%.6f").encode()).hexdigest()
