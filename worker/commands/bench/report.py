"""What a measurement says: a table, a JSON file with the machine's facts, and a picture on request."""

import functools
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table

from worker.commands.bench import INSTALL
from worker.commands.bench.machine import CpuUse, commit, machine_facts
from worker.commands.bench.timing import Figure, Spread, short
from worker.inference.engine import load_engine


@dataclass(frozen=True, slots=True)
class Measured:
    """A bundle, and the arithmetic in which this CPU serves it: not always the one that the bundle is kept in."""

    folder: str
    name: str
    version: str
    precision: str

    @classmethod
    def of(cls, folder: Path) -> "Measured":
        """Load it, which tells; the measured workers load it likewise.

        Raises:
            InferenceError: it cannot be loaded.
        """
        engine = load_engine(folder, threads=1)
        return cls(str(folder), engine.manifest.name, engine.manifest.version, engine.precision)

    def __str__(self) -> str:
        return f"{self.name} {self.version} in {self.precision}"


@dataclass(slots=True)
class Report:
    """One measurement: what was asked and what came out."""

    name: str
    settings: dict[str, Any]
    bundles: Sequence[Measured]
    figures: list[Figure] = field(default_factory=list)
    _began: CpuUse | None = field(default_factory=CpuUse.now, repr=False)

    def load_of_others(self) -> float | None:
        """Share of the machine that other processes used since the measurement began; None where nobody tells."""
        now = CpuUse.now()
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
    """Give a click command ``--json`` and ``--plot``, as ``target``; it does not begin where these cannot be."""

    @functools.wraps(command)
    def call(*, json_file: Path | None, plot: Path | None, **given: Any) -> Any:
        _check_folder("--json", json_file or Path("bench.json"))
        if plot is not None:
            _check_folder("--plot", plot)
            if find_spec("matplotlib") is None:
                raise click.ClickException(f"--plot needs matplotlib: {INSTALL}")
        return command(target=Target(json_file, plot), **given)

    path = click.Path(path_type=Path, dir_okay=False)
    click.option("--plot", type=path, help="draw the medians and their spread into this PNG file")(call)
    click.option("--json", "json_file", type=path, help="the JSON file  [default: bench-NAME.json]")(call)
    return call


def _check_folder(option: str, file: Path) -> None:
    if not file.parent.is_dir():
        raise click.UsageError(f"{option}: there is no folder {file.parent}")
    if not os.access(file.parent, os.W_OK):
        raise click.UsageError(f"{option}: {file.parent.resolve()} is not to be written to")


def publish(report: Report, target: Target) -> None:
    """Print the table and write the files."""
    facts, now = machine_facts(), datetime.now(UTC)
    content = {
        "bench": report.name,
        "command": shlex.join(["python", "-m", "worker", *sys.argv[1:]]),
        "commit": commit(),
        "measured_at": now.isoformat(timespec="seconds"),
        "settings": report.settings,
        "bundles": [asdict(bundle) for bundle in report.bundles],
        "machine": facts,
        "load_of_others": (others := report.load_of_others()),
        "figures": [asdict(figure) for figure in report.figures],
    }
    json_file = target.json_file or Path(f"bench-{report.name}.json")
    json_file.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
    served = ", ".join(map(str, report.bundles))
    title = f"{report.name}: {served}; {facts['cpu']}, {facts['cores']} cores"
    table = Table(title=title, title_justify="left")
    table.add_column("what")
    for column in ("median", "least", "greatest", "unit"):
        table.add_column(column, justify="left" if column == "unit" else "right")
    for figure in report.figures:
        spread = figure.spread
        table.add_row(figure.what, *map(short, (spread.median, spread.least, spread.greatest)), figure.unit)
    load = "" if others is None else f"others used {others:.0%} of the processor; "
    table.caption = f"{load}written to {json_file}"
    Console().print(table)
    if target.plot is not None:
        from worker.commands.bench.picture import draw

        draw(f"{title}\n{load}{now:%-d %B %Y}", report.figures, target.plot)
