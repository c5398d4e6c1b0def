"""``python -m tests.fuzz``: every input becomes an event or a dead letter with a reason, and both can be read."""

import sys
import time
from itertools import islice

import click

from tests.fuzz.grammar import Grammar
from tests.fuzz.subject import BUNDLES, Subject, TokenisingEngine

_BATCH = 64
_SHOWN = 20


@click.command()
@click.option("--inputs", type=click.IntRange(1), default=10_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
def main(inputs: int, seed: int) -> None:
    """Feed the way from bytes to tokens and back to bytes; the exit code is 1 where something does not hold."""
    subject = Subject(TokenisingEngine([BUNDLES / "lstm", BUNDLES / "encoder"]))
    records = islice(Grammar(seed).records(), inputs)
    started = time.monotonic()
    while batch := list(islice(records, _BATCH)):
        subject.feed(batch, include_text=batch[0].offset % 2 == 0)
    click.echo(f"{inputs} inputs of seed {seed} in {time.monotonic() - started:.0f} s")
    for outcome, count in subject.outcomes.most_common():
        click.echo(f"{count:9}  {outcome}")
    click.echo(f"{len(subject.wrong):9}  violations")
    for sentence in subject.wrong[:_SHOWN]:
        click.echo(sentence)
    sys.exit(1 if subject.wrong else 0)


if __name__ == "__main__":
    main()
