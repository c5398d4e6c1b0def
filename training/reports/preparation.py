"""``report.html`` of `prepare`: the five steps as tables and plots."""

from pathlib import Path
from typing import Any, Final

import pandas as pd

from schemas.emotions import EMOTIONS
from training.data.rows import SPLITS
from training.reports import page, plots

PAGE_FILE: Final = "report.html"


def write_page(report: dict[str, Any], frame: pd.DataFrame, folder: Path) -> None:
    """Write the page into ``folder``, from the report of `training.data.prepare.prepare` and the prepared rows."""
    parts = dict(iter(frame.groupby(["source", "split"])))
    by_source: dict[str, dict[str, float]] = {
        f"{source}, {split}": {emotion: float(parts[source, split][f"p_{emotion}"].sum()) for emotion in EMOTIONS}
        for source in report["load"]
        for split in SPLITS[:3]
        if (source, split) in parts
    }
    drawn = {
        "lengths": plots.length_lines({s: one["words"] for s, one in report["load"].items()}, "Words a text by source"),
        "splits": plots.split_bars(report["split"]["rows"], "Rows of each source by split"),
        "classes": plots.stacked_classes(by_source, "Share of each emotion in every source and split, per cent"),
    }
    counts = frame["split"].value_counts()
    totals = {split: int(counts.get(split, 0)) for split in SPLITS}
    page.write(folder / PAGE_FILE, "preparation.html", report=report, plots=drawn, totals=totals)
