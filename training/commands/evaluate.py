"""``evaluate`` and ``compare``."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from training.commands.options import FOLDER, wide_console

if TYPE_CHECKING:
    from training.labelled import Labelled

_OPTIONS = (
    click.option(
        "--data", "files", type=FOLDER, multiple=True, help="own CSV, TSV, JSONL or Parquet file, also .gz; repeatable"
    ),
    click.option("--prepared", type=FOLDER, help="folder that `prepare` wrote; each of its sources gets its figures"),
    click.option("--split", type=click.Choice(["val", "test"]), help="of --prepared; default: test"),
    click.option("--source", help="of --prepared: this one alone"),
    click.option("--text-column", default="text", show_default=True, help="holds the texts"),
    click.option(
        "--label-column", default="label", show_default=True, help="`labels` stands in if there is no `label`"
    ),
    click.option("--label-separator", help="what stands between several labels in one cell, e.g. '|'"),
    click.option("--encoding", default="utf-8-sig", show_default=True, help="of own CSV, TSV and JSONL files"),
    click.option(
        "--labels", "mapping", type=FOLDER, help="JSON or CSV: foreign label -> one of the six, none, nothing"
    ),
)


def _data_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command()
@click.argument("bundle", type=FOLDER)
@_data_options
@click.option("--out", type=FOLDER, help="folder for evaluation.json and evaluation.html")
def evaluate(bundle: Path, out: Path | None, **data: Any) -> None:
    """Score labelled rows through the worker's own engine."""
    from rich.table import Table

    from training.evaluation import PAGE_FILE
    from training.evaluation import evaluate as score

    whole = score(bundle, _labelled(**data), out)
    headings = (
        "data",
        "rows",
        "accuracy",
        "macro-F1",
        "weighted F1",
        "ECE",
        "by chance",
        "before temperature",
        "tweets/s",
    )
    table = Table(*headings, title=f"{whole['bundle']['name']} {whole['bundle']['version']}")
    for name, one in whole["results"].items():
        cells = [f"{one[key]:.4f} {_interval(one[f'{key}_95'])}" for key in ("accuracy", "macro_f1")]
        cells += [f"{one[key]:.4f}" for key in ("weighted_f1", "ece", "ece_by_chance", "ece_before_temperature")]
        table.add_row(name, f"{one['rows']:,}", *cells, f"{one['tweets_per_second']:,.0f}")
    console = wide_console()
    console.print(table)
    if out is not None:
        console.print(f"read {out / PAGE_FILE}", soft_wrap=True)


@click.command()
@click.argument("first", type=FOLDER)
@click.argument("second", type=FOLDER)
@_data_options
@click.option("--out", type=FOLDER, help="folder for comparison.json")
def compare(first: Path, second: Path, out: Path | None, **data: Any) -> None:
    """Two bundles side by side on the same rows, with an exact McNemar test."""
    from rich.table import Table

    from training.comparison import compare as test

    whole = test(first, second, _labelled(**data), out)
    a, b = (f"{bundle['name']} {bundle['version']}" for bundle in whole["bundles"])
    console = wide_console()
    for name, one in whole["results"].items():
        table = Table("", f"A: {a}", f"B: {b}", title=f"{name}, {one['rows']:,} rows")
        pair = one["figures"]
        for key, title in (("accuracy", "accuracy"), ("macro_f1", "macro-F1")):
            table.add_row(title, *(f"{figures[key]:.4f} {_interval(figures[f'{key}_95'])}" for figures in pair))
        table.add_row("ECE", *(f"{figures['ece']:.4f}" for figures in pair))
        table.add_row("tweets/s", *(f"{figures['tweets_per_second']:,.0f}" for figures in pair))
        table.add_row("right alone", f"{one['only_a_right']:,}", f"{one['only_b_right']:,}")
        console.print(table)
        verdict = "they differ" if one["p_value"] < 0.05 else "no difference shown"
        console.print(
            f"B minus A: {100 * one['difference']:+.2f} points {_interval(one['difference_95'], scale=100, digits=2)}; "
            f"McNemar p = {one['p_value']:.4g}: {verdict} (5 % level); same label for {100 * one['same_label']:.1f} %\n"
        )


def _labelled(
    files: tuple[Path, ...], prepared: Path | None, split: str | None, source: str | None, **given: Any
) -> Iterator["Labelled"]:
    if not files and prepared is None:
        raise click.UsageError("name the rows: --data FILE, or --prepared FOLDER with --split")
    for name, value in (("--split", split), ("--source", source)):
        if value is not None and prepared is None:
            raise click.UsageError(f"{name} is of --prepared; a file of --data is measured whole")
    return _read(files, prepared, split or "test", source, **given)


def _read(
    files: tuple[Path, ...], prepared: Path | None, split: str, source: str | None, **given: Any
) -> Iterator["Labelled"]:
    from training.data.labels import USUAL, read_names
    from training.data.tables import Columns
    from training.labelled import from_file, from_prepared

    names = read_names(given["mapping"]) if given["mapping"] else USUAL
    columns = Columns(
        text=given["text_column"],
        label=given["label_column"],
        separator=given["label_separator"],
        encoding=given["encoding"],
    )
    for path in files:
        yield from_file(path, columns, names)
    if prepared is not None:
        yield from from_prepared(prepared, split, source)


def _interval(edges: list[float], *, scale: float = 1, digits: int = 3) -> str:
    return f"[{scale * edges[0]:.{digits}f}, {scale * edges[1]:.{digits}f}]"
