"""What a reader yields, and the columns of prepared rows."""

from typing import Final, NamedTuple

import pandas as pd

from schemas.emotions import EMOTIONS

Target = tuple[float, ...]
NONE_OF_SIX: Target = (1 / 6,) * 6
"""Target of a tweet that people found to carry none of the six: the model shall not be sure of any."""
TARGETS: Final = [f"p_{emotion}" for emotion in EMOTIONS]
ROWS_FILE: Final = "rows.parquet"
REPORT_FILE: Final = "report.json"
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


def is_certain(frame: pd.DataFrame) -> pd.Series:
    """Rows that carry at least one of the six, as a boolean series."""
    return frame[TARGETS].max(axis=1) > max(NONE_OF_SIX) + 1e-6
