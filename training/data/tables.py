"""Own files: CSV, TSV, JSONL or Parquet with named columns become rows."""

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from training.data.rows import Row
from training.errors import DataUnreadable

csv.field_size_limit(10_000_000)

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
_OUR_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
    "": "",
}


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a file has what.

    Attributes:
        label: its cells hold one label or, separated by ``separator`` or as a JSON list, several; None if all rows are
            unlabelled.
        split: may be missing; otherwise train, val (validation, dev) or test, or empty.
        separator: what stands between several labels in one cell; None if a cell is one label.
        encoding: of CSV, TSV and JSONL.
    """

    text: str = "text"
    label: str | None = "label"
    split: str = "split"
    separator: str | None = None
    encoding: str = "utf-8-sig"


def read_table(path: Path, columns: Columns, source: str | None = None) -> Iterator[Row]:
    """Rows of one file, ``.gz`` too; ``labels`` stands in for a missing ``label`` column; the source is its name.

    Raises:
        DataUnreadable: the file cannot be read, is of another kind or encoding, or lacks a column.
    """
    stem, suffix = _kind(path)
    is_table = suffix in (".csv", ".tsv", ".parquet")
    label = columns.label
    for number, record in _records(path, suffix, columns):
        if number == 1 or not is_table:
            label = _label_column(path, number, record, columns)
        labels = None if label is None else _labels(record.get(label), columns.separator)
        split = str(record.get(columns.split) or "").strip().lower()
        if split not in _OUR_SPLITS:
            raise DataUnreadable(
                f"{path}, row {number}: split {split!r} in column {columns.split!r}; use train, val or test, or name "
                "another column with --split-column"
            )
        text = record[columns.text]
        yield Row("" if text is None else str(text), labels, source or stem, _OUR_SPLITS[split])


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
    for column, option in ((columns.text, "--text-column"), (wanted, "--label-column")):
        if column is not None and column not in record:
            raise DataUnreadable(
                f"{path}, row {number} has no column {column!r}; it has {', '.join(map(str, record))}: name the right "
                f"one with {option}"
            )
    return wanted


def _labels(cell: Any, separator: str | None) -> tuple[str, ...] | None:
    """None: nobody labelled this row; empty: people found none."""
    if cell is None or cell == "" or cell != cell:  # noqa: PLR0124 - NaN is the one value that differs from itself
        return None
    if isinstance(cell, list | tuple):
        return tuple(map(str, cell))
    text = str(cell).strip()
    if text.startswith("[") and text.endswith("]"):
        try:
            return tuple(map(str, json.loads(text)))
        except ValueError:
            return (text,)
    if separator is None:
        return (text,)
    return tuple(part.strip() for part in text.split(separator) if part.strip())


def open_lines(path: Path, encoding: str) -> Iterator[str]:
    """Decoded lines with their ends, of a plain or a gzipped file.

    Raises:
        DataUnreadable: the file cannot be opened, or a line is in another encoding; the line is named.
    """
    number = 0
    try:
        with _opened(path) as file:
            lines: Iterable[Any] = file
            if encoding.lower().startswith(("utf-16", "utf-32", "utf16", "utf32")):
                lines = io.TextIOWrapper(file, encoding=encoding, newline="")
            for number, line in enumerate(lines, 1):
                if isinstance(line, str):
                    yield line
                else:
                    yield line.decode("utf-8" if encoding == "utf-8-sig" and number > 1 else encoding)
    except UnicodeError as error:
        raise DataUnreadable(
            f"{path}, line {number}: not in {encoding} ({error}); name its encoding with --encoding, e.g. latin-1"
        ) from error
    except LookupError as error:
        raise DataUnreadable(f"{error}; name one that Python knows with --encoding, e.g. utf-8 or latin-1") from error
    except (OSError, EOFError) as error:
        raise DataUnreadable(
            f"cannot read {path}: {getattr(error, 'strerror', None) or error}; check the path"
        ) from error


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


class _Tabs(csv.excel_tab):
    """Tab-separated without quoting: tweets hold single quotation marks."""

    quoting = csv.QUOTE_NONE


def _csv(path: Path, columns: Columns, *, delimiter: str) -> Iterator[tuple[int, dict[str, Any]]]:
    lines = open_lines(path, columns.encoding)
    reader = csv.DictReader(lines, dialect=_Tabs) if delimiter == "\t" else csv.DictReader(lines)
    try:
        yield from enumerate(reader, 1)
    except csv.Error as error:
        raise DataUnreadable(f"{path}, line {reader.line_num}: {error}; is it {path.suffix[1:]}?") from error


def _jsonl(path: Path, columns: Columns) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(open_lines(path, columns.encoding), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise DataUnreadable(f"{path}, line {number}: no JSON ({error}); write one object a line") from error
        if not isinstance(record, dict):
            raise DataUnreadable(f"{path}, line {number}: {type(record).__name__}, not an object with text and label")
        yield number, record


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy, and only for this kind

    try:
        file = pq.ParquetFile(path)
        names = class_names(file.schema_arrow.metadata)
        number = 0
        for batch in file.iter_batches():
            for record in batch.to_pylist():
                number += 1
                yield number, {key: _named(value, names.get(key)) for key, value in record.items()}
    except (OSError, ValueError) as error:
        raise DataUnreadable(f"cannot read {path} as Parquet: {error}") from error


def class_names(metadata: dict[bytes, bytes] | None) -> dict[str, list[str]]:
    """Names of the integer labels that Hugging Face ``datasets`` keeps in a Parquet schema (its ``ClassLabel``)."""
    features = json.loads((metadata or {}).get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    found: dict[str, list[str]] = {}
    for column, feature in features.items():
        inner = feature.get("feature", feature) if isinstance(feature, dict) else {}
        if inner.get("_type") == "ClassLabel":
            found[column] = inner["names"]
    return found


def _named(value: Any, names: list[str] | None) -> Any:
    if names is None or value is None:
        return value
    return [names[i] for i in value] if isinstance(value, list) else names[value]
