"""One look for every report: a Jinja template with inline styles and inline SVG."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from schemas.emotions import EMOTIONS
from training.files import replaced
from training.reports.plots import COLOURS


def write(path: Path, template: str, **context: Any) -> None:
    """Render a template of this package into one file; texts are escaped, plots must be `markupsafe.Markup`."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"count": count, "percent": percent, "share": share}
    page = environment.get_template(template).render(emotions=EMOTIONS, colours=COLOURS, **context)
    with replaced(path) as beside:
        beside.write_text(page, encoding="utf-8")


def count(number: float) -> str:
    """Thousands apart: 12,345; soft counts keep one decimal."""
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.1f}"


def percent(value: float | None) -> str:
    """A share as per cent with one decimal; a dash where there is none."""
    return "–" if value is None or value != value else f"{100 * value:.1f} %"  # noqa: PLR0124, RUF001 - NaN; a dash


def share(part: float, whole: float) -> str:
    """Part of a whole as per cent."""
    return percent(part / whole if whole else None)
