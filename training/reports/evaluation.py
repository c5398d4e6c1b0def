"""``evaluation.html``: figures, plots and the surest errors of a bundle."""

from pathlib import Path
from typing import Any

from training.reports import page, plots

_LEAST_ROWS_OF_A_SLICE = 10


def write_page(whole: dict[str, Any], path: Path) -> None:
    """Write what `training.evaluation.evaluate` returns as one page."""
    threshold = whole["bundle"]["abstain_threshold"]
    drawn = {name: _draw(name, result, threshold) for name, result in whole["results"].items()}
    page.write(
        path,
        "evaluation.html",
        bundle=whole["bundle"],
        results=whole["results"],
        plots=drawn,
        least=_LEAST_ROWS_OF_A_SLICE,
    )


def _draw(name: str, result: dict[str, Any], threshold: float) -> dict[str, Any]:
    return {
        "reliability": plots.reliability_diagram(
            result["reliability"],
            f"Reliability on {name}",
            ece=result["ece"],
            ece_before=result["ece_before_temperature"],
        ),
        "coverage": plots.coverage_plot(result["coverage"], f"Abstention on {name}", threshold=threshold),
        "slices": plots.interval_plot(_large(result["slices"]), f"Slices of {name}", overall=result["accuracy"]),
        "heat": _heat(result["confusion"]),
    }


def _large(slices: dict[str, Any]) -> dict[str, Any]:
    """Those whose interval means something; all where none is."""
    return {name: one for name, one in slices.items() if one["rows"] >= _LEAST_ROWS_OF_A_SLICE} or slices


def _heat(confusion: list[list[int]]) -> list[list[tuple[int, float]]]:
    """Each count with its share of its row, by which the cell is shaded."""
    return [[(n, n / max(1, sum(row))) for n in row] for row in confusion]
