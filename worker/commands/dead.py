"""``python -m worker dead``: look at dead letters and send them back.

A redriven record carries the header ``redrive-of`` with the letter's id. A letter whose id stands in such a header on
the raw topic has been sent back and is skipped, so a redrive that was cut off can simply be repeated: each letter goes
back once, unless ``--again`` asks for another time. Two redrives of one letter at the same moment are not told apart.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import click
from confluent_kafka import Message
from pydantic import ValidationError

from schemas.dead_letter import DeadLetter, Reason
from worker.commands.consuming import read_partitions, read_topic
from worker.options import settings_options
from worker.publisher import Publisher, Record
from worker.settings import CONNECTION, KafkaSettings

REDRIVE_HEADER = "redrive-of"
_DELIVERY_TIMEOUT_S = 60.0


@click.group()
def dead() -> None:
    """List, show and redrive dead letters."""


_reasons = click.option(
    "--reason", "reasons", type=click.Choice([reason.value for reason in Reason]), multiple=True, help="only these"
)


@dead.command("list")
@settings_options(kafka=KafkaSettings, only=(*CONNECTION, "dead_topic"))
@_reasons
def list_letters(kafka: KafkaSettings, reasons: tuple[str, ...]) -> None:
    """All dead letters that are kept, the oldest of each partition first."""
    for letter in _letters(kafka, reasons):
        failure = f"{letter.stage}/{letter.reason}"
        size = f"{letter.original_size_bytes} bytes"
        click.echo(f"{letter.id}  {letter.failed_at:%F %T}  {failure:<22}{size:>16}  {letter.detail}")


@dead.command()
@click.argument("letter_id")
@settings_options(kafka=KafkaSettings, only=(*CONNECTION, "dead_topic"))
def show(kafka: KafkaSettings, letter_id: str) -> None:
    """One letter whole, its original bytes as text where they are text."""
    for letter in _letters(kafka):
        if letter.id == letter_id:
            original = letter.original_bytes
            click.echo(letter.model_dump_json(indent=2, exclude={"original"}))
            click.echo("original: " + ("none, a tombstone" if original is None else _readable(original)))
            return
    raise click.ClickException(f"no dead letter {letter_id} on {kafka.dead_topic}")


@dead.command()
@settings_options(kafka=KafkaSettings, only=(*CONNECTION, "raw_topic", "dead_topic"))
@click.option("--id", "ids", multiple=True, help="these letters")
@_reasons
@click.option("--all", "everything", is_flag=True, help="all letters")
@click.option("--again", is_flag=True, help="also letters that were sent back before")
@click.option("--dry-run", is_flag=True, help="say what would be sent")
@click.option("--yes", is_flag=True, help="do not ask")
def redrive(
    kafka: KafkaSettings,
    ids: tuple[str, ...],
    reasons: tuple[str, ...],
    everything: bool,
    again: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Send the original bytes, key and headers back to the partition they came from."""
    if not (ids or reasons or everything):
        raise click.UsageError("say which letters: --id, --reason or --all")
    letters = {letter.id: letter for letter in _letters(kafka, reasons) if not ids or letter.id in ids}
    if absent := sorted(set(ids) - set(letters)):
        of_these = " of " + ", ".join(reasons) if reasons else ""
        raise click.ClickException(f"no dead letter {', '.join(absent)}{of_these} on {kafka.dead_topic}")
    before = set() if again else _redriven(kafka, letters)
    wanted = [letter for letter in letters.values() if letter.id not in before]
    click.echo(f"{len(wanted)} to send back, {len(before)} were sent back before")
    if dry_run or not wanted:
        return
    if not yes:
        click.confirm(f"send {len(wanted)} records to {kafka.raw_topic}?", abort=True)
    kept = []
    for letter in wanted:
        if record := _original(kafka, letter):
            kept.append(record)
        else:
            click.echo(f"left out: {letter.id} holds a part only, and the whole record is gone", err=True)
    Publisher(kafka.client_config(), _DELIVERY_TIMEOUT_S).publish(kept)
    click.echo(f"{len(kept)} sent back")
    if len(kept) < len(wanted):
        raise SystemExit(1)


def _readable(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return repr(value)
    return text if text.isprintable() else repr(text)


def _letters(kafka: KafkaSettings, reasons: tuple[str, ...] = ()) -> Iterator[DeadLetter]:
    for message in read_topic(kafka, kafka.dead_topic, from_beginning=True, follow=False):
        try:
            letter = DeadLetter.model_validate_json(message.value() or b"")
        except ValidationError:
            click.echo(
                f"skipped {kafka.dead_topic}[{message.partition()}]@{message.offset()}: no dead letter", err=True
            )
            continue
        if not reasons or letter.reason in reasons:
            yield letter


def _redriven(kafka: KafkaSettings, letters: dict[str, DeadLetter]) -> set[str]:
    """Of these letters the ids that a ``redrive-of`` header on the raw topic names.

    A redrive writes without transactions: what it wrote stands, though somebody's open transaction may hide it.
    """
    starts: dict[int, int] = {}
    for letter in letters.values():
        partition = letter.source.partition
        starts[partition] = min(starts.get(partition, letter.source.offset), letter.source.offset)
    found: set[str] = set()
    for message in read_partitions(kafka, kafka.raw_topic, starts, uncommitted=True) if starts else ():
        named = (value for name, value in _headers(message) if name == REDRIVE_HEADER and value)
        found |= {value.decode(errors="replace") for value in named}
    return found & set(letters)


def _headers(message: Message) -> list[tuple[str, bytes | None]]:
    """None of a record that has one whose name is not UTF-8: the client cannot read them."""
    try:
        headers: Any = message.headers()
    except (SystemError, UnicodeDecodeError):
        return []
    return list(headers or ())


def _original(kafka: KafkaSettings, letter: DeadLetter) -> Record | None:
    """None where the letter holds a part only and the whole record is gone."""
    key, value, headers = letter.key_bytes, letter.original_bytes, letter.header_pairs
    if letter.original_truncated:
        whole = _whole_record(kafka, letter)
        if whole is None:
            return None
        key, value, headers = whole.key(), whole.value(), _headers(whole)
    headers = [*headers, (REDRIVE_HEADER, letter.id.encode())]
    return Record(kafka.raw_topic, letter.source.partition, key, value, tuple(headers))


def _whole_record(kafka: KafkaSettings, letter: DeadLetter) -> Message | None:
    source = letter.source
    for message in read_partitions(kafka, source.topic, {source.partition: source.offset}):
        is_it = sha256(message.value() or b"").hexdigest() == letter.original_sha256
        if message.offset() == source.offset and is_it:
            return message
        break
    return None
