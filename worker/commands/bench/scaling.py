"""``python -m worker bench scaling``: throughput over batches, lengths of tweets, partitions, workers and backlogs."""

import re
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import click

from worker.commands.bench.load import raw_values
from worker.commands.bench.options import LoadOptions, load_options, settings_of
from worker.commands.bench.pipeline import MEASURED
from worker.commands.bench.report import Measured, Report, Target, publish, report_options
from worker.commands.bench.stand import WORKER, Stand, stand_options, stands
from worker.commands.bench.timing import Spread
from worker.options import settings_options
from worker.settings import WorkerSettings

_NAMES = {"words": "words in a tweet", "workers": "workers of one thread"}
_SHAPE = re.compile("(batch|words|partitions|workers|backlog)=([1-9][0-9]*)")
_DEFAULT = (
    "batch=8",
    "batch=64",
    "batch=256",
    "words=5",
    "words=40",
    "partitions=1",
    "partitions=16",
    "workers=1",
    "workers=2",
    "backlog=4000",
    "backlog=32000",
)


def _read_cases(_context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> list[tuple[str, int]]:
    found = [_SHAPE.fullmatch(one) for one in given]
    if None in found:
        raise click.BadParameter("wanted is batch=N, words=N, partitions=N, workers=N or backlog=N")
    return [(match[1], int(match[2])) for match in found if match]


@click.command()
@settings_options(worker=WorkerSettings, only=MEASURED)
@stand_options
@click.option(
    "--case",
    "cases",
    multiple=True,
    default=_DEFAULT,
    callback=_read_cases,
    show_default=True,
    help="what varies: batch=N, words=N, partitions=N, workers=N or backlog=N; repeatable",
)
@load_options(tweets=8_000, runs=3)
@report_options
def scaling(
    worker: WorkerSettings,
    kafka_home: Path | None,
    partitions: int,
    cases: list[tuple[str, int]],
    asked: LoadOptions,
    target: Target,
) -> None:
    """Drain backlogs while one thing varies: batch, words, partitions, workers (of a thread each) or the backlog."""
    settings = {name: getattr(worker, name) for name in MEASURED}
    settings |= {"kafka_home": kafka_home, "partitions": partitions, "cases": cases}
    report = Report("scaling", settings_of(asked, **settings), [Measured.of(worker.bundle)])
    with stands(kafka_home) as stand_on:
        for what, number in cases:
            load = replace(asked, tweets=number) if what == "backlog" else asked
            loads = load.loads(length=number if what == "words" else None)
            changes = {"batch": {"max_batch": number}, "workers": {"threads": 1}}.get(what, {})
            stand = stand_on(worker.model_copy(update=changes), number if what == "partitions" else partitions)
            name = _NAMES.get(what, what)
            report.add(f"{name}: {number:,}", "tweets/s", rates(stand, loads, number if what == "workers" else 1))
    publish(report, target)


def rates(stand: Stand, loads: list[list[str]], fleet: int = 1) -> Spread:
    """Tweets a second of a fleet that drains each load; the first warms up."""
    with ExitStack() as running:
        programs = [running.enter_context(stand.running(*WORKER)) for _ in range(fleet)]
        for program in programs:
            program.wait_until_ready()
        found = [stand.drain(programs[0], raw_values(load)).rate for load in loads]
        stand.check(programs[0], sum(map(len, loads)))
    return Spread.of(found[1:])
