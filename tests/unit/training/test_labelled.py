"""What a bundle is measured with."""

from pathlib import Path

import pandas as pd
import pytest

from training.data.labels import USUAL
from training.data.rows import NONE_OF_SIX, ROWS_FILE, TARGETS, read_rows
from training.data.tables import Columns
from training.errors import DataUnreadable, TooFewRows
from training.labelled import from_file, from_prepared
from worker.inference.cleaning import clean

JOY = (0.0, 1.0, 0.0, 0.0, 0.0, 0.0)


def test_a_source_of_neutral_texts_only_does_not_keep_others_from_being_measured(tmp_path: Path) -> None:
    rows = [("a", "so happy", JOY), ("a", "it rains", NONE_OF_SIX), ("b", "it is noon", NONE_OF_SIX)]
    frame = pd.DataFrame({"source": [row[0] for row in rows], "text": [row[1] for row in rows], "split": "val"})
    frame["cleaned"] = frame["text"]
    frame[TARGETS] = [row[2] for row in rows]
    frame.to_parquet(tmp_path / ROWS_FILE)
    (found,) = from_prepared(tmp_path, "val")
    assert (found.name, found.texts, found.empty) == ("a val", ["so happy"], ["it rains"])
    with pytest.raises(TooFewRows, match="no rows with one of the six"):
        list(from_prepared(tmp_path, "val", "b"))


def test_only_a_label_that_people_gave_is_accepted_and_only_what_the_worker_labels_is_measured(tmp_path: Path) -> None:
    merged = tuple((joy + none) / 2 for joy, none in zip(JOY, NONE_OF_SIX, strict=True))
    frame = pd.DataFrame({"source": "a", "text": ["so happy", "\U0001f602 https://example.org"], "split": "val"})
    frame["cleaned"] = frame["text"].map(clean)
    frame[TARGETS] = [merged, JOY]
    frame.to_parquet(tmp_path / ROWS_FILE)
    (found,) = from_prepared(tmp_path, "val")
    assert found.texts == ["so happy"]
    assert found.accepted.tolist() == [[False, True, False, False, False, False]]


def test_rows_that_another_cleaner_made_are_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"source": "a", "text": ["so happy", "soooo happy"], "split": "val"})
    frame["cleaned"] = frame["text"].map(clean)
    frame[TARGETS] = JOY
    frame.to_parquet(tmp_path / ROWS_FILE)
    assert len(read_rows(tmp_path)) == 2
    frame.assign(cleaned=frame["text"]).to_parquet(tmp_path / ROWS_FILE)
    with pytest.raises(DataUnreadable, match=r"rows\.parquet, row 2: cleaned otherwise .* make it anew"):
        list(from_prepared(tmp_path, "val"))


def test_the_index_that_pandas_writes_is_no_split(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    pd.DataFrame({"text": ["so happy", "great"], "label": ["joy", "joy"], "split": ["a", "b"]}).to_csv(path)
    assert from_file(path, Columns(), USUAL).texts == ["so happy", "great"]
