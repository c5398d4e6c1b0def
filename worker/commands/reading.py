"""Reading raw tweets from files: JSON lines, CSV, plain lines, any of them gzipped."""

import csv
import gzip
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import click
import orjson

csv.field_size_limit(10_000_000)
_KNOWN_NAMES = {"tweet_id": "id", "tweet_created": "created_at", "content": "text", "Tweet": "text"}


class Item(NamedTuple):
    """One value to produce and the key it goes by."""

    key: bytes | None
    value: bytes


def read_items(path: str, text_column: str, key_field: str | None) -> Iterator[Item]:
    """Values of a file, ``-`` for standard input. CSV rows become JSON objects, all other lines go as they are.

    Raises:
        click.ClickException: the file cannot be read, or a CSV has no column ``text_column``.
    """
    with _open(path) as file:
        if path.removesuffix(".gz").endswith(".csv"):
            yield from _csv_items(
                io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline=""), text_column, key_field
            )
        else:
            for line in file:
                value = line.rstrip(b"\r\n")
                if value:
                    yield Item(_key_of(value, key_field), value)


def _open(path: str) -> BinaryIO:
    if path == "-":
        return sys.stdin.buffer
    try:
        return gzip.open(path) if path.endswith(".gz") else Path(path).open("rb")  # type: ignore[return-value]
    except OSError as error:
        raise click.ClickException(f"cannot read {path}: {error.strerror}") from error


def _csv_items(file: io.TextIOWrapper, text_column: str, key_field: str | None) -> Iterator[Item]:
    rows = csv.DictReader(file)
    columns = rows.fieldnames or ()
    if text_column not in columns:
        raise click.ClickException(f"the CSV has no column {text_column!r}; it has {list(columns)}; see --text-column")
    for row in rows:
        tweet = {_KNOWN_NAMES.get(name, name): value for name, value in row.items() if isinstance(name, str)}
        tweet["text"] = row[text_column]
        key = row.get(key_field) if key_field else tweet.get("id")
        yield Item(key.encode() if key else None, orjson.dumps(tweet))


def _key_of(value: bytes, key_field: str | None) -> bytes | None:
    """The field ``key_field`` (default ``id``) of a JSON object; None for anything else."""
    if not value.startswith(b"{"):
        return None
    try:
        found = orjson.loads(value).get(key_field or "id")
    except orjson.JSONDecodeError:
        return None
    return str(found).encode() if isinstance(found, str | int) else None
