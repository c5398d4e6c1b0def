"""``prepare``: raw sets to prepared rows and a report."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from training.commands.options import DATA, FOLDER, wide_console

if TYPE_CHECKING:
    from training.data.rows import Row
    from training.data.sources import Mix

DATASET = "dair-ai/emotion"
MIXES = ("product", "dair", "emoint", "emoint-grouped")
TEST_SHARE_OF_OWN_ROWS = 0.1


@click.command()
@DATA
@click.option("--mix", type=click.Choice(MIXES), help="public sets below --data; default: product")
@click.option(
    "--rows", "own", type=FOLDER, multiple=True, help="own CSV, TSV, JSONL or Parquet file, also .gz; repeatable"
)
@click.option(
    "--unlabelled-rows",
    "raw",
    type=FOLDER,
    multiple=True,
    help="own file of texts without labels, to distil on; repeatable",
)
@click.option(
    "--dataset",
    is_flag=False,
    flag_value=DATASET,
    help=f"Hugging Face data set (owner/name; {DATASET} if no name follows), or a local folder; of several "
    "configurations add which, as in owner/name:config",
)
@click.option("--text-column", default="text", show_default=True, help="holds the texts")
@click.option("--label-column", default="label", show_default=True, help="`labels` stands in if there is no `label`")
@click.option("--split-column", help="train, val or test; default: split, which need not be there")
@click.option("--label-separator", help="what stands between several labels in one cell, e.g. '|'")
@click.option("--encoding", default="utf-8-sig", show_default=True, help="of own CSV, TSV and JSONL files")
@click.option("--labels", "mapping", type=FOLDER, help="JSON or CSV: foreign label -> one of the six, none, or nothing")
@click.option("--unlabelled/--no-unlabelled", default=True, help="with --mix: take raw tweets for distillation too")
@click.option(
    "--variations",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="unlabelled ones of each training text, to distil on",
)
@click.option("--val-share", type=click.FloatRange(0, 0.9), help="of rows without an official split; default: 0.1")
@click.option("--test-share", type=click.FloatRange(0, 0.9), help="likewise; default: 0.1 of own rows, 0 of a mix")
@click.option("--fold", type=click.IntRange(0), help="another number holds out other rows; default: 0")
@click.option("--allow-empty-classes", is_flag=True, help="some of the six may have no row at all")
@click.option("--out", type=FOLDER, required=True, help="folder for rows.parquet, report.html and report.json")
def prepare(out: Path, **given: Any) -> None:
    """Load and inspect, clean, encode labels, split without leaks, save.

    Without --rows, --dataset or --mix: the product mix of the sets below --data, or, without --data, dair-ai/emotion
    from the Hugging Face Hub.
    """
    from training.data.labels import USUAL, read_names
    from training.data.prepare import Rules
    from training.data.prepare import prepare as steps

    mix = _mix(**given)
    shares = {"val": given["val_share"], "test": given["test_share"], "fold": given["fold"]}
    rules = Rules(
        names=read_names(given["mapping"]) if given["mapping"] else USUAL,
        shares=replace(mix.shares, **{name: value for name, value in shares.items() if value is not None}),
        conflicts=mix.conflicts,
        joins_copies=mix.joins_copies,
        empty_classes=given["allow_empty_classes"] or mix.classes < 6,
        variations=given["variations"],
    )
    report = steps(_rows(mix.sources, **given), out, rules)
    _summarise(report, out)


def _mix(**given: Any) -> "Mix":
    from training.data.sources import MIXES as MIXED
    from training.data.sources import Mix
    from training.data.splits import Shares

    if given["mix"] or not (given["own"] or given["raw"] or given["dataset"] or given["data"] is None):
        return MIXED[given["mix"] or "product"]
    return Mix((), Shares(test=TEST_SHARE_OF_OWN_ROWS), joins_copies=True)


def _rows(
    sources: tuple[str, ...],
    *,
    data: Path | None,
    own: tuple[Path, ...],
    raw: tuple[Path, ...],
    dataset: str | None,
    **given: Any,
) -> Iterator["Row"]:
    from training.data.hub import local_folder, read_dataset
    from training.data.sources import SOURCES, check_own
    from training.data.tables import Columns, read_table, source_of

    columns = Columns(
        text=given["text_column"],
        label=given["label_column"],
        split=given["split_column"] or "split",
        split_named=given["split_column"] is not None,
        separator=given["label_separator"],
        encoding=given["encoding"],
    )
    if sources and data is None:
        raise click.UsageError("name the folder of the public sets with --data (EMOTION_DATA)")
    for path in (*own, *raw):
        check_own(path, source_of(path))
    if dataset and (local := local_folder(dataset)):
        check_own(local[0], local[0].name)
    for name in (*sources, *(["unlabelled"] if sources and given["unlabelled"] else [])):
        yield from SOURCES[name].read(data or Path())
    for path in own:
        yield from read_table(path, columns)
    for path in raw:
        yield from read_table(path, replace(columns, label=None, split_named=False))
    if dataset or not (sources or own or raw):
        yield from read_dataset(dataset or DATASET, columns)


def _summarise(report: dict[str, Any], out: Path) -> None:
    from rich.table import Table

    clean, split = report["clean"], report["split"]
    table = Table("source", *(heading for heading in ("train", "val", "test", "unlabelled")), title="Prepared rows")
    for source, rows in split["rows"].items():
        table.add_row(source, *(f"{rows.get(part, 0):,}" for part in ("train", "val", "test", "unlabelled")))
    console = wide_console()
    console.print(table)
    for reason, rows in clean["dropped"].items():
        if rows:
            console.print(f"dropped {rows:,}: {reason}")
    leaks = sum(sum(parts.values()) for parts in split["removed_as_leaks"].values())
    console.print(f"dropped {leaks:,}: they recur in validation or test")
    console.print(f"sha256 {report['save']['sha256']}", soft_wrap=True)
    console.print(f"read {out / 'report.html'}", soft_wrap=True)
