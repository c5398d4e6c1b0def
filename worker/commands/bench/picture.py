"""The picture of a measurement: a panel for each unit, a bar for each figure."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure as Picture

from worker.commands.bench.timing import Figure, short


def draw(title: str, figures: Sequence[Figure], path: Path) -> None:
    """Write a PNG: medians as bars with their values, the least and the greatest run as whiskers."""
    units = list(dict.fromkeys(figure.unit for figure in figures))
    picture = Picture(figsize=(9, 1.4 + 0.4 * len(figures) + 0.6 * len(units)), layout="constrained")
    picture.suptitle(f"{title}\nbars: medians; whiskers: least and greatest run", fontsize="medium")
    heights = [sum(figure.unit == unit for figure in figures) + 1 for unit in units]
    panels = picture.subplots(len(units), 1, squeeze=False, gridspec_kw={"height_ratios": heights})
    for panel, unit in zip(panels[:, 0], units, strict=True):
        shown = [figure for figure in figures if figure.unit == unit]
        spreads = [figure.spread for figure in shown]
        panel.barh(range(len(shown)), [spread.median for spread in spreads], color="#8da9d4")
        panel.set_yticks(range(len(shown)), [figure.what for figure in shown])
        panel.invert_yaxis()
        panel.set_xlabel(unit)
        for row, spread in enumerate(spreads):
            if spread.runs > 1:
                panel.errorbar(
                    spread.median,
                    row,
                    xerr=[[spread.median - spread.least], [spread.greatest - spread.median]],
                    color="black",
                    capsize=3,
                )
            panel.annotate(
                short(spread.median), (spread.greatest, row), (5, 0), textcoords="offset points", va="center"
            )
        panel.margins(x=0.12)
    picture.savefig(path, dpi=120, format="png")
