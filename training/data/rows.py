"""What a reader yields, and the columns of prepared rows."""

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from schemas.emotions import EMOTIONS
from training.errors import DataUnreadable, TooFewRows
from worker.inference.cleaning import clean, cleaner_id

Target = tuple[float, ...]
NONE_OF_SIX: Target = (1 / 6,) * 6
"""Target of a tweet that people found to carry none of the six: the model shall not be sure of any."""
LARGEST_OF_NONE: Final = max(NONE_OF_SIX) + 1e-6
"""A target whose largest part is no larger is that one, as it was read back."""
TARGETS: Final = [f"p_{emotion}" for emotion in EMOTIONS]
_COLUMNS: Final = ("text", "cleaned", "source", "split", *TARGETS)
ROWS_FILE: Final = "rows.parquet"
REPORT_FILE: Final = "report.json"
_MOST_QUOTED: Final = 500
SPLITS: Final = ("train", "val", "test", "unlabelled")


class Row(NamedTuple):
    """One text of a set, as the set has it.

    Attributes:
        labels: in the words of the set; empty if people found none, None if nobody was asked.
        split: the split that the set itself has: train, val or test; empty where it has none.
        left_out: why its reader leaves it out; empty for the others.
    """

    text: str
    labels: tuple[str, ...] | None
    source: str
    split: str = ""
    left_out: str = ""


def read_rows(prepared: Path) -> pd.DataFrame:
    """The rows that ``prepare`` saved.

    Raises:
        DataUnreadable: there are none, or another `clean` than that of today made them.
    """
    path = prepared / ROWS_FILE
    if not path.exists():
        raise DataUnreadable(f"{path} is missing; make it with `python -m training prepare`")
    try:
        rows = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DataUnreadable(f"cannot read {path} ({error}); make it anew with `python -m training prepare`") from error
    if lacking := sorted({*_COLUMNS} - {*map(str, rows.columns)}):
        raise DataUnreadable(f"{path} lacks {', '.join(lacking)}; make it with `python -m training prepare`")
    _check_cleaned(path, rows)
    return rows


def _check_cleaned(path: Path, rows: pd.DataFrame) -> None:
    """What is learned and measured must be what a worker makes of the texts; a bundle names the cleaner of today.

    All rows are compared, a second or two for 100,000: the id of a cleaner tells of its fixed cases only.
    """
    for number, (text, cleaned) in enumerate(zip(rows["text"], rows["cleaned"], strict=True), 1):
        if clean(text) != cleaned:
            raise DataUnreadable(
                f"{path}, row {number}: cleaned otherwise than cleaner {cleaner_id()} of this code does; make it anew "
                "with `python -m training prepare`, and train on that"
            )


def excerpt(text: str) -> str:
    """A text as reports quote it, its first 500 characters: some files hold whole books."""
    return text if len(text) <= _MOST_QUOTED else f"{text[:_MOST_QUOTED]}\u2026"


def is_certain(frame: pd.DataFrame) -> pd.Series:
    """Rows that carry at least one of the six, as a boolean series."""
    return frame[TARGETS].max(axis=1) > LARGEST_OF_NONE


def accepted(targets: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which labels people gave, bool ``[n, 6]``, from targets ``[n, 6]``.

    Where equal texts were merged, one with a label and one with none of the six, every part of the target is above
    zero, but only a label's is above the least.
    """
    given: NDArray[np.bool_] = targets > targets.min(axis=1, keepdims=True) + np.float32(1e-6)
    return given


def validation_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """The validation rows that carry one of the six.

    Raises:
        TooFewRows: there are none.
    """
    found = rows[(rows["split"] == "val") & is_certain(rows)]
    if found.empty:
        raise TooFewRows("no validation rows; prepare with more data")
    return found
