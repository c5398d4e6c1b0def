"""Own files: CSV, TSV, JSONL or Parquet with named columns become rows."""

import csv
import gzip
import io
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.data.lines import open_lines
from training.data.rows import Row
from training.errors import DataUnreadable

csv.field_size_limit(10_000_000)

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
    "": "",
}
_NO_LABEL = -1
"""What Hugging Face ``datasets`` writes where a ``ClassLabel`` is missing."""
_MENDS = {
    ",": ", e.g. put a cell that holds a comma in double quotes",
    "\t": "; quotes mean nothing in a TSV, so write texts with a tab or a line break as JSONL or CSV",
}
"""What may be wrong with the number of cells, by what stands between them."""
_QUOTED = re.compile(r'"[^"]*(?:""[^"]*)+"')
_LISTED = re.compile(r"\['[^']*'(?:,?\s+'[^']*')*\]")
"""A list of strings as Python and NumPy write it, and pandas with them into a CSV."""
_MOST_TOLD = 200
"""Characters of the names of columns in a message."""
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a file has what.

    Attributes:
        label: its cells hold one label or, separated by ``separator`` or as a list (of JSON or Python), several; None
            if all rows are unlabelled.
        split: may be missing unless it is named; its cells are train, val (validation, dev) or test, or empty. None if
            no column is read as one.
        split_named: somebody named it, so it must be there.
        separator: what stands between several labels in one cell; None if a cell is one label.
        encoding: of CSV, TSV and JSONL.
    """

    text: str = "text"
    label: str | None = "label"
    split: str | None = "split"
    split_named: bool = False
    separator: str | None = None
    encoding: str = "utf-8-sig"


def read_table(path: Path, columns: Columns, source: str | None = None) -> Iterator[Row]:
    """Rows of one file, ``.gz`` too; ``labels`` stands in for a missing ``label`` column; the source is its name.

    Raises:
        DataUnreadable: the file cannot be read, is of another kind or encoding, lacks a column, or has a row that does
            not fit.
    """
    stem, suffix = _kind(path)
    is_table = suffix in (".csv", ".tsv", ".parquet")
    label = columns.label
    for number, record in _records(path, suffix, columns):
        if number == 1 or not is_table:
            label = _label_column(path, number, record, columns)
        labels = None if label is None else _labels(record.get(label), columns.separator)
        split = "" if columns.split is None else str(record.get(columns.split) or "").strip().lower()
        if split not in SPLITS:
            raise DataUnreadable(
                f"{path}, row {number}: split {split!r} in column {columns.split!r}; use train, val or test, or name "
                "another column with --split-column"
            )
        text = _text(record[columns.text], f"{path}, row {number}, column {columns.text!r}")
        yield Row(text, labels, source or stem, SPLITS[split])


def source_of(path: Path) -> str:
    """What the rows of an own file are filed under: its name without endings.

    Raises:
        DataUnreadable: it is of another kind.
    """
    return _kind(path)[0]


def _records(path: Path, suffix: str, columns: Columns) -> Iterator[tuple[int, dict[str, Any]]]:
    if suffix in (".csv", ".tsv"):
        return _csv(path, columns, delimiter="," if suffix == ".csv" else "\t")
    return _parquet(path) if suffix == ".parquet" else _jsonl(path, columns)


def _kind(path: Path) -> tuple[str, str]:
    name = Path(path.name.removesuffix(".gz"))
    if name.suffix not in SUFFIXES:
        raise DataUnreadable(f"{path} is none of {', '.join(SUFFIXES)}; convert it, or give it its right ending")
    return name.stem, name.suffix


def _label_column(path: Path, number: int, record: dict[str, Any], columns: Columns) -> str | None:
    wanted = columns.label
    if wanted == "label" and "label" not in record and "labels" in record:
        wanted = "labels"
    split = columns.split if columns.split_named else None
    for column, option in ((columns.text, "--text-column"), (wanted, "--label-column"), (split, "--split-column")):
        if column is not None and column not in record:
            raise DataUnreadable(
                f"{path}, row {number} has no column {column!r}; it has {_listed(record)}: name the right one with "
                f"{option}"
            )
    return wanted


def _listed(names: Iterable[Any]) -> str:
    """Without a header a row stands in its place, and its texts may be long."""
    told = ", ".join(map(str, names))
    return told if len(told) <= _MOST_TOLD else f"{told[:_MOST_TOLD]}..."


def _text(value: Any, where: str) -> str:
    """A lone surrogate, which JSON may hold and UTF-8 may not, becomes U+FFFD; `clean` drops both."""
    if _is_missing(value):
        return ""
    if isinstance(value, list | dict):
        raise DataUnreadable(
            f"{where}: {type(value).__name__} instead of a text; write one string, or name another column"
        )
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeError as error:
            raise DataUnreadable(f"{where}: bytes that are not UTF-8 ({error}); write texts as strings") from error
    return _SURROGATE.sub("\ufffd", str(value))


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _labels(cell: Any, separator: str | None) -> tuple[str, ...] | None:
    """None: nobody labelled this row; empty: people found none."""
    if isinstance(cell, list | tuple):
        return _present(cell)
    text = _label(cell)
    if _LISTED.fullmatch(text):
        return _present(re.findall("'([^']*)'", text))
    if text.startswith("[") and text.endswith("]"):
        try:
            return _present(json.loads(text))
        except (ValueError, RecursionError):
            return (text,)
    return _present([text] if separator is None else text.split(separator))


def _present(labels: Sequence[Any]) -> tuple[str, ...] | None:
    present = tuple(label for label in map(_label, labels) if label)
    return None if labels and not present else present


def _label(value: Any) -> str:
    if _is_missing(value):
        return ""
    return (value.decode(errors="replace") if isinstance(value, bytes) else str(value)).strip()


class _Commas(csv.excel):
    strict = True


class _Tabs(csv.excel_tab):
    """Tab-separated without quoting: tweets hold single quotation marks (`_check_unquoted`)."""

    quoting = csv.QUOTE_NONE


def _csv(path: Path, columns: Columns, *, delimiter: str) -> Iterator[tuple[int, dict[str, Any]]]:
    lines = open_lines(path, columns.encoding)
    reader = csv.reader(lines, dialect=_Tabs if delimiter == "\t" else _Commas)
    names: list[str] = []
    number, line = 0, 1
    try:
        for cells in reader:
            if not names:
                names = cells
                _check_names(path, names)
                _check_separated(path, names, columns, delimiter)
            elif cells:
                number += 1
                if len(cells) != len(names):
                    raise DataUnreadable(
                        f"{path}, line {line}: {len(cells)} cells, but the header has {len(names)}; mend the line"
                        + _MENDS[delimiter]
                    )
                if delimiter == "\t":
                    _check_unquoted(f"{path}, line {line}", names, cells)
                yield number, dict(zip(names, cells, strict=True))
            line = reader.line_num + 1
    except csv.Error as error:
        mend = "close each double quote, and double those in a cell"
        if "new-line" in str(error):  # a carriage return alone, which pandas writes as it is
            mend = "take carriage returns (\\r) out of the cells, or end each line with a line feed"
        raise DataUnreadable(f"{path}, the row that begins in line {line}: {error}; {mend}") from error


def _check_unquoted(where: str, names: Sequence[str], cells: Sequence[str]) -> None:
    """A cell between quotes whose inner ones are all doubled was written by a program that quotes, as pandas does."""
    for name, cell in zip(names, cells, strict=True):
        if _QUOTED.fullmatch(cell):
            raise DataUnreadable(
                f"{where}, column {name!r}: a cell in quotes, which mean nothing in a TSV; write it as JSONL or CSV"
            )


def _check_names(path: Path, names: Iterable[str]) -> None:
    if twice := [name for name, n in Counter(names).items() if n > 1 and name]:
        raise DataUnreadable(f"{path} has several columns {twice[0]!r}; rename all but one")


def _check_separated(path: Path, names: Sequence[str], columns: Columns, delimiter: str) -> None:
    """One column that is not the wanted one and holds what may separate cells: a CSV of another kind, as Excel's."""
    if len(names) == 1 and names[0] != columns.text and (other := re.search(r"[,;\t|]", names[0])):
        raise DataUnreadable(
            f"{path}: {other.group()!r} stands between its cells, not {delimiter!r}; write it as CSV with commas"
        )


def _jsonl(path: Path, columns: Columns) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(open_lines(path, columns.encoding), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataUnreadable(f"{path}, line {number}: no JSON ({error}); write one object a line") from error
        if not isinstance(record, dict):
            raise DataUnreadable(
                f"{path}, line {number}: {type(record).__name__}, not an object with text and label; write one a line"
            )
        yield number, record


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy, and only for this kind

    try:
        file = pq.ParquetFile(io.BytesIO(gzip.decompress(path.read_bytes())) if path.suffix == ".gz" else path)
        _check_names(path, file.schema_arrow.names)
        names = class_names(file.schema_arrow.metadata)
        number = 0
        for batch in file.iter_batches():
            for record in batch.to_pylist():
                number += 1
                for column in names.keys() & record.keys():
                    record[column] = _named(record[column], names[column], f"{path}, row {number}, column {column!r}")
                yield number, record
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataUnreadable(f"cannot read {path} as Parquet: {error}") from error


def class_names(metadata: dict[bytes, bytes] | None) -> dict[str, list[str]]:
    """Names of the integer labels that Hugging Face ``datasets`` keeps in a Parquet schema (its ``ClassLabel``)."""
    try:
        features = dict(json.loads((metadata or {})[b"huggingface"])["info"]["features"])
    except (KeyError, TypeError, ValueError):  # of no set, or written by something else
        return {}
    found: dict[str, list[str]] = {}
    for column, feature in features.items():
        inner = feature[0] if isinstance(feature, list) and feature else feature  # a list, as older versions write it
        inner = inner.get("feature", inner) if isinstance(inner, dict) else {}
        if isinstance(inner, dict) and inner.get("_type") == "ClassLabel":
            found[column] = inner["names"]
    return found


def _named(value: Any, names: list[str], where: str) -> Any:
    if isinstance(value, list):
        return [_named(each, names, where) for each in value]
    if _is_missing(value) or value == _NO_LABEL:
        return None
    if not isinstance(value, int) or not 0 <= value < len(names):
        raise DataUnreadable(
            f"{where}: label {value!r} has no name; the file names 0 to {len(names) - 1}, and -1 is no label"
        )
    return names[value]
