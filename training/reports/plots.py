"""Plots as inline SVG, all in one style."""

import functools
import io
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from schemas.emotions import EMOTIONS

COLOURS = dict(zip(EMOTIONS, ("#4c78a8", "#b98a00", "#e0679b", "#cf4b4b", "#7d62ad", "#2f9e8f"), strict=True))
INK, FAINT, ACCENT, WARNING = "#22303c", "#c9d3da", "#1f6f8b", "#c2541b"
_STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "svg.hashsalt": "tweet-emotions",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e8edf0",
    "legend.frameon": False,
}
"""Settings of matplotlib for these figures alone: its global state stays as it is."""


_NARROW_INCHES = 5
"""Wider figures scroll in a narrow window, where their words would become too small to read."""
_LONGEST_NAME = 32
_P = ParamSpec("_P")


def styled(draw: Callable[_P, Markup]) -> Callable[_P, Markup]:
    """Draw in the style of these reports."""

    @functools.wraps(draw)
    def inside(*args: _P.args, **kwargs: _P.kwargs) -> Markup:
        with mpl.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return inside


def figure(width: float, height: float) -> tuple[Figure, Any]:
    """An empty figure of so many inches and its axes."""
    made = Figure(figsize=(width, height), layout="constrained")
    return made, made.subplots()


def svg(made: Figure, title: str) -> Markup:
    """The figure as an SVG element that scales with the page; ``title`` is for screen readers."""
    out = io.StringIO()
    made.patch.set_alpha(0)
    FigureCanvasSVG(made).print_svg(  # type: ignore[no-untyped-call]
        out, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
    )
    kind = "plot wide" if made.get_figwidth() > _NARROW_INCHES else "plot"
    element = out.getvalue()
    element = element[element.index("<svg") :].replace("<svg ", f'<svg role="img" class="{kind}" ', 1)
    start = element.index(">") + 1
    return Markup(f"{element[:start]}<title>{Markup.escape(title)}</title>{element[start:]}")  # noqa: S704 - ours


@styled
def stacked_classes(rows: Mapping[str, Mapping[str, float]], title: str) -> Markup:
    """A bar of class shares for each name, with the number of rows beside it."""
    made, axes = figure(7.2, 0.55 + 0.34 * max(1, len(rows)))
    names, places = list(rows)[::-1], range(len(rows))
    left = np.zeros(len(names))
    totals = np.asarray([max(sum(rows[name].values()), 1e-9) for name in names])
    for emotion in EMOTIONS:
        widths = np.asarray([rows[name].get(emotion, 0.0) for name in names]) / totals
        axes.barh(places, widths, left=left, color=COLOURS[emotion], height=0.66, label=emotion)
        for place, start, width in zip(places, left, widths, strict=True):
            if width > 0.06:
                axes.text(start + width / 2, place, f"{100 * width:.0f}", ha="center", va="center", color="white")
        left += widths
    for place, total in enumerate(totals):
        axes.text(1.01, place, f"{total:,.0f}", va="center")
    axes.set_xlim(0, 1.12)
    axes.set_xticks([])
    axes.set_yticks(places, list(map(_short, names)))
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.grid(visible=False)
    for side in ("bottom", "left"):
        axes.spines[side].set_visible(False)
    made.legend(loc="outside upper center", ncols=6, handlelength=1, columnspacing=1.2)
    return svg(made, title)


@styled
def length_lines(lengths: Mapping[str, Mapping[str, Any]], title: str) -> Markup:
    """How many words the texts of each source have, as shares."""
    made, axes = figure(7.2, max(2.4, 0.4 + 0.19 * len(lengths)))
    edges: Sequence[int] = max((one["edges"] for one in lengths.values()), key=len)
    labels = [f"{low}\u2013{high - 1}" for low, high in itertools.pairwise(edges[:-1])] + [f"{edges[-2]}+"]
    lines = []
    for place, one in enumerate(lengths.values()):
        total = max(1, sum(one["texts"]))
        lines += axes.plot(labels, [n / total for n in one["texts"]], ms=3.5, lw=1.6, **_line(place))
    axes.yaxis.set_major_formatter(_per_cent)
    axes.set_ylim(0)
    axes.set(xlabel="words a text", ylabel="share of texts")
    made.legend(lines, list(map(_short, lengths)), loc="outside right upper")  # a label of a line may not begin with _
    return svg(made, title)


@styled
def split_bars(rows: Mapping[str, Mapping[str, int]], title: str) -> Markup:
    """Rows of each source by split."""
    shades = {"train": ACCENT, "val": "#e3a23b", "test": "#8a4f7d", "unlabelled": FAINT}
    made, axes = figure(7.2, 0.55 + 0.34 * max(1, len(rows)))
    names, places, left = list(rows)[::-1], range(len(rows)), np.zeros(len(rows))
    for split, colour in shades.items():
        widths = np.asarray([rows[name].get(split, 0) for name in names], float)
        if widths.any():
            axes.barh(places, widths, left=left, color=colour, height=0.66, label=split)
            left += widths
    for place, total in enumerate(left):
        axes.text(total + 0.01 * left.max(), place, f"{total:,.0f}", va="center")
    axes.set_xlim(0, left.max() * 1.12)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlabel("rows")
    axes.set_yticks(places, list(map(_short, names)))
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.grid(visible=False, axis="y")
    made.legend(loc="outside upper center", ncols=4, handlelength=1)
    return svg(made, title)


def _line(place: int) -> dict[str, str]:
    """Colour and marks of the line in this place; where the colours are used up, other marks tell the lines apart."""
    colours = [ACCENT, WARNING, "#7d62ad", "#2f9e8f", "#e9b52c", "#4c78a8", "#e0679b", "#6b7a85"]
    round_of, colour = divmod(place, len(colours))
    marker, style = [("o", "-"), ("s", "--"), ("^", ":")][round_of % 3]
    return {"color": colours[colour], "marker": marker, "ls": style}


def _per_cent(value: float, _: object) -> str:
    """A tick; with as many digits as it takes, as they may be 2.5 apart."""
    return f"{100 * value:.4g} %"


def _short(name: str) -> str:
    """A name that leaves room for the plot: both ends of a long one."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 12]}\u2026{name[-11:]}"


@styled
def reliability_diagram(after: Sequence[Mapping[str, float]], title: str, *, ece: float, ece_before: float) -> Markup:
    """Accuracy against confidence in bins; the area of a dot grows with the rows in it (Guo et al. 2017)."""
    made, axes = figure(4.4, 3.6)
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1.2, ls="--")
    x, y = ([b[key] for b in after] for key in ("confidence", "accuracy"))
    rows = np.asarray([b["rows"] for b in after], float)
    for one, other in zip(x, y, strict=True):
        axes.plot([one, one], [one, other], color=WARNING, lw=1.4, alpha=0.6, zorder=2)
    axes.scatter(x, y, s=18 + 260 * rows / rows.max(), color=ACCENT, alpha=0.85, zorder=3, linewidths=0)
    axes.set(xlim=(0.1, 1.04), ylim=(0, 1.06), xlabel="confidence", ylabel="share of right answers")
    axes.text(0.98, 0.06, f"ECE {ece:.3f}\nbefore temperature {ece_before:.3f}", ha="right", transform=axes.transAxes)
    return svg(made, title)


@styled
def coverage_plot(curve: Sequence[Mapping[str, Any]], title: str, *, threshold: float) -> Markup:
    """Accuracy of the answers that stay when unsure ones are withheld; the bundle's own threshold is marked.

    Where no answer is as sure as the lowest threshold it says so.
    """
    made, axes = figure(4.4, 3.6)
    kept = [point for point in curve if point["accuracy"] is not None]
    if not kept:
        axes.set_axis_off()
        axes.text(0.5, 0.5, f"no confidence reaches {curve[0]['threshold']:.2f}", ha="center")
        return svg(made, title)
    axes.plot([p["coverage"] for p in kept], [p["accuracy"] for p in kept], color=ACCENT, lw=1.8)
    mark = min(kept, key=lambda point: abs(point["threshold"] - threshold))
    axes.scatter([mark["coverage"]], [mark["accuracy"]], color=WARNING, zorder=3, s=34)
    axes.annotate(
        f"threshold {threshold:.2f}",
        (mark["coverage"], mark["accuracy"]),
        textcoords="offset points",
        xytext=(-8, -14),
        ha="right",
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(_per_cent)
    low = min(point["accuracy"] for point in kept)
    axes.set(xlim=(0, 1.02), ylim=(max(0, low - 0.04), 1.01), xlabel="tweets answered", ylabel="right answers of them")
    return svg(made, title)


@styled
def interval_plot(rows: Mapping[str, Mapping[str, Any]], title: str, *, overall: float) -> Markup:
    """Accuracy and its 95 % interval of each slice, beside the accuracy of all rows."""
    made, axes = figure(7.2, 0.7 + 0.3 * max(1, len(rows)))
    names = list(rows)[::-1]
    axes.axvline(overall, color=FAINT, lw=1.4)
    for place, name in enumerate(names):
        low, high = rows[name]["accuracy_95"]
        axes.plot([low, high], [place, place], color=ACCENT, lw=2, alpha=0.55, solid_capstyle="round")
        axes.scatter([rows[name]["accuracy"]], [place], color=ACCENT, s=26, zorder=3)
    axes.set_xlim(right=min(1.01, axes.get_xlim()[1]))
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_yticks(range(len(names)), [f"{name} ({rows[name]['rows']:,})" for name in names])
    axes.xaxis.set_major_formatter(_per_cent)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("accuracy")
    return svg(made, title)
