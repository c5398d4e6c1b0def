"""Reading raw tweets from files: JSON lines, CSV, tab-separated or plain lines, any of them gzipped."""

import codecs
import csv
import gzip
import io
import sys
import zlib
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, cast, get_args

import click
import orjson

Format = Literal["lines", "csv", "tsv"]
FORMATS: tuple[Format, ...] = get_args(Format)
SAMPLES = Path(str(files("worker") / "samples" / "tweets.jsonl"))
"""The sample tweets, written for this project: all six emotions and none, in the shapes that producers send."""
BAD_SAMPLES = SAMPLES.with_name("bad.jsonl")
"""What must become dead letters."""

_LARGEST_FIELD_CHARS = 10_000_000
_GZIP_MAGIC = b"\x1f\x8b"
_USUAL_NAMES = {"tweet_id": "id", "tweet_created": "created_at"}
_READ_INSTEAD = {"full_text": "text", "extended_tweet": "text", "id_str": "id"}
"""Fields of the v1.1 API (`schemas.tweet`)."""
_DELIMITERS = {"csv": ",", "tsv": "\t"}


class Item(NamedTuple):
    """One value to produce and the key it goes by."""

    key: bytes | None
    value: bytes


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns or fields mean what. A name with dots goes into JSON objects: ``user.id_str``."""

    text: str = "text"
    id: str = "id"
    created_at: str = "created_at"
    key: str | None = None
    """What keys the records; default: the id."""
    named: frozenset[str] = frozenset()
    """Of ``text``, ``id`` and ``created_at`` those that somebody asked for: a table must have their columns."""
    time_format: str | None = None
    """How a table writes ``created_at`` (``datetime.strptime``; UTC unless it holds a zone); default: as it comes."""


def format_of(path: str) -> Format:
    """By the name: ``.csv``, ``.tsv``, and lines for all others; ``.gz`` does not count."""
    suffix = Path(path.lower().removesuffix(".gz")).suffix.lstrip(".")
    return cast("Format", suffix) if suffix in _DELIMITERS else "lines"


def read_items(path: str, columns: Columns, form: Format | None = None) -> Iterator[Item]:
    """Values of a file, ``-`` for standard input. Rows become JSON objects; lines go as they are, blank ones do not.

    Args:
        path: the file; whether it is gzipped is seen from its first bytes.
        columns: what is what.
        form: default: by the file's name.

    Raises:
        click.ClickException: the file cannot be read, lacks the column of the text or one that was named, holds a
            time that is not written as ``columns.time_format``, or has lines, in which no column has a meaning.
    """
    try:
        with _open(path) as file:
            form = form or format_of(path)
            if form == "lines":
                if columns.time_format or columns.named & {"text", "created_at"}:
                    raise click.ClickException(
                        f"{path}: lines go as they are; columns and times can be named for CSV and TSV (--format)"
                    )
                yield from _line_items(file, columns)
            else:
                text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")
                yield from _row_items(text, _DELIMITERS[form], columns)
    except (OSError, EOFError, csv.Error, zlib.error) as error:
        raise click.ClickException(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def _open(path: str) -> AbstractContextManager[BinaryIO]:
    if path == "-":
        return nullcontext(_unzipped(cast("io.BufferedReader", sys.stdin.buffer)))
    return _unzipped(Path(path).open("rb"))


def _unzipped(file: io.BufferedReader) -> BinaryIO:
    return cast("BinaryIO", gzip.open(file)) if file.peek(2)[:2] == _GZIP_MAGIC else file


def _line_items(file: BinaryIO, columns: Columns) -> Iterator[Item]:
    for number, line in enumerate(file):
        value = line.rstrip(b"\r\n")
        if number == 0:
            value = value.removeprefix(codecs.BOM_UTF8)
        if value.strip():
            yield Item(_key_of(value, columns.key or columns.id), value)


def _key_of(value: bytes, name: str) -> bytes | None:
    """The field ``name`` of a JSON object; None for anything else: a value is sent whatever it holds."""
    if not value.startswith(b"{"):
        return None
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return str(found).encode(errors="replace") if isinstance(found, str | int) else None


def _row_items(file: io.TextIOWrapper, delimiter: str, columns: Columns) -> Iterator[Item]:
    csv.field_size_limit(_LARGEST_FIELD_CHARS)
    rows = csv.DictReader(file, delimiter=delimiter, quoting=csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL)
    names = rows.fieldnames or ()
    wanted = (columns.text, columns.key, *(getattr(columns, meaning) for meaning in sorted(columns.named)))
    for column in wanted:
        if column is not None and column not in names:
            raise click.ClickException(f"there is no column {column!r}; the file has {', '.join(names) or 'none'}")
    renamed = _renamed(names, columns)
    for row in rows:
        tweet = {field: row[name] for name, field in renamed.items()}
        if columns.time_format and tweet.get("created_at"):
            tweet["created_at"] = _iso(tweet["created_at"], columns.time_format, rows.line_num)
        key = row[columns.key] if columns.key else tweet.get("id")
        yield Item(key.encode() if key else None, orjson.dumps(tweet))


def _iso(value: str, time_format: str, line: int) -> str:
    try:
        moment = datetime.strptime(value, time_format)  # noqa: DTZ007 - the format may hold a zone
    except ValueError as error:
        raise click.ClickException(f"line {line}: {error}; mend --time-format") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def _renamed(names: Collection[str], columns: Columns) -> dict[str, str]:
    """Column -> field of a raw tweet; a usual name stands in where the column asked for is not there.

    Other columns keep their names, but for those whose name is taken by a column asked for, or which the worker would
    read instead.
    """
    asked = {columns.created_at: "created_at", columns.id: "id", columns.text: "text"}
    found = {name: meaning for name, meaning in asked.items() if name in names}
    usual = {name: meaning for name, meaning in _USUAL_NAMES.items() if meaning not in found.values()}
    found |= {name: meaning for name, meaning in usual.items() if name in names}
    taken = {*found.values(), *(name for name, meaning in _READ_INSTEAD.items() if meaning in found.values())}
    return {name: name for name in names if name not in taken} | found
