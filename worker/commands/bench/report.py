"""What a measurement says: a table, a JSON file with the machine's facts, and a picture on request."""

import functools
import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import click
import orjson
from rich.console import Console
from rich.table import Table

from worker.commands.bench import INSTALL
from worker.commands.bench.timing import Spread

_FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni", "amx_bf16", "amx_int8")
_LIBRARIES = (
    "aiokafka",
    "confluent-kafka",
    "faust-streaming",
    "keras",
    "numpy",
    "onnxruntime",
    "openvino",
    "tensorflow-cpu",
    "tokenizers",
    "torch",
    "transformers",
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity."""

    what: str
    unit: str
    spread: Spread


class _CpuUse(NamedTuple):
    """Seconds of CPU that passed, were used by anybody, and by this process with those that it started and ended."""

    whole: float
    busy: float
    own: float

    @classmethod
    def now(cls) -> "_CpuUse | None":
        """See proc(5), /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal."""
        try:
            line = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
        except OSError:
            return None
        ticks = [int(number) / os.sysconf("SC_CLK_TCK") for number in line.split()[1:9]]
        return cls(sum(ticks), sum(ticks) - ticks[3] - ticks[4], sum(os.times()[:4]))


@dataclass(slots=True)
class Report:
    """One measurement: what was asked and what came out."""

    name: str
    settings: dict[str, Any]
    figures: list[Figure] = field(default_factory=list)
    _began: "_CpuUse | None" = field(default_factory=_CpuUse.now, repr=False)

    def load_of_others(self) -> float | None:
        """Share of the machine that other processes used since the measurement began; None where nobody tells."""
        now = _CpuUse.now()
        if now is None or self._began is None:
            return None
        whole, busy, own = (b - a for a, b in zip(self._began, now, strict=True))
        return round(max(0.0, busy - own) / whole, 3) if whole else None

    def add(self, what: str, unit: str, spread: Spread) -> None:
        """Note a figure."""
        self.figures.append(Figure(what, unit, spread))


@dataclass(frozen=True, slots=True)
class Target:
    """Where a report goes besides the terminal."""

    json_file: Path | None
    plot: Path | None


def report_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a click command ``--json`` and ``--plot``, as ``target``."""

    @functools.wraps(command)
    def call(*, json_file: Path | None, plot: Path | None, **given: Any) -> Any:
        return command(target=Target(json_file, plot), **given)

    path = click.Path(path_type=Path, dir_okay=False)
    click.option("--plot", type=path, help="draw the medians and their spread into this PNG file")(call)
    click.option("--json", "json_file", type=path, help="the JSON file  [default: bench-NAME.json]")(call)
    return call


def publish(report: Report, target: Target) -> None:
    """Print the table and write the files."""
    facts = machine_facts()
    content = {
        "bench": report.name,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": report.settings,
        "machine": facts,
        "load_of_others": (others := report.load_of_others()),
        "figures": [asdict(figure) for figure in report.figures],
    }
    json_file = target.json_file or Path(f"bench-{report.name}.json")
    json_file.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
    table = Table(title=f"{report.name}: {facts['cpu']}, {facts['cores']} cores", title_justify="left")
    table.add_column("what")
    for column in ("median", "least", "greatest", "unit"):
        table.add_column(column, justify="left" if column == "unit" else "right")
    for figure in report.figures:
        spread = figure.spread
        table.add_row(figure.what, *map(_short, (spread.median, spread.least, spread.greatest)), figure.unit)
    load = "" if others is None else f"others used {others:.0%} of the processor; "
    table.caption = f"{load}written to {json_file}"
    Console().print(table)
    if target.plot is not None:
        _draw(report, target.plot)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def machine_facts() -> dict[str, Any]:
    """What the figures depend on: processor, its vector instructions, cores, other load, versions."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    told = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    present = set(told.get("flags", "").split())
    return {
        "cpu": told.get("model name", platform.processor() or platform.machine()),
        "cores": len(os.sched_getaffinity(0)),
        "flags": {flag: flag in present for flag in _FLAGS},
        "load_average": [round(value, 1) for value in os.getloadavg()],
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: found for name in _LIBRARIES if (found := _version(name))},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _draw(report: Report, path: Path) -> None:
    try:
        from matplotlib.figure import Figure as Picture
    except ModuleNotFoundError as error:
        raise click.ClickException(f"--plot needs matplotlib: {INSTALL}") from error
    units = list(dict.fromkeys(figure.unit for figure in report.figures))
    picture = Picture(figsize=(8, 1 + 0.4 * len(report.figures) + 0.6 * len(units)), layout="constrained")
    heights = [sum(figure.unit == unit for figure in report.figures) + 1 for unit in units]
    panels = picture.subplots(len(units), 1, squeeze=False, gridspec_kw={"height_ratios": heights})
    for panel, unit in zip(panels[:, 0], units, strict=True):
        shown = [figure for figure in report.figures if figure.unit == unit][::-1]
        middles = [figure.spread.median for figure in shown]
        below = [figure.spread.median - figure.spread.least for figure in shown]
        above = [figure.spread.greatest - figure.spread.median for figure in shown]
        panel.barh([figure.what for figure in shown], middles, xerr=[below, above], color="#4c72b0", capsize=3)
        panel.set_xlabel(unit)
    picture.savefig(path, dpi=120)
