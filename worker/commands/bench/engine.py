"""``python -m worker bench engine``: tweets a second of the bundle's engine, nothing around it."""

from collections.abc import Callable, Sequence

import click

from worker.commands.bench.options import LoadOptions, load_options, settings_of
from worker.commands.bench.report import Measured, Report, Target, publish, report_options
from worker.commands.bench.timing import Spread, rounds
from worker.inference.engine import Engine, load_engine
from worker.options import settings_options
from worker.settings import WorkerSettings

_BATCH = 64
"""Of the texts of one length."""


@click.command()
@settings_options(worker=WorkerSettings, only=("bundle", "threads"))
@load_options(tweets=2000, runs=5)
@click.option(
    "--batch",
    "batches",
    type=click.IntRange(1),
    multiple=True,
    default=(1, 8, 32, 64, 128, 256),
    show_default=True,
    help="texts in a batch; repeatable",
)
@click.option(
    "--words",
    "lengths",
    type=click.IntRange(1),
    multiple=True,
    default=(5, 10, 20, 40),
    show_default=True,
    help="words in each text of batches of 64; repeatable",
)
@report_options
def engine(
    worker: WorkerSettings,
    asked: LoadOptions,
    batches: tuple[int, ...],
    lengths: tuple[int, ...],
    target: Target,
) -> None:
    """Raw texts in, probabilities out, without a cache: over batch sizes, and over lengths in batches of 64.

    All of them take turns.
    """
    if asked.tweets < (most := max(*batches, _BATCH)):
        raise click.UsageError(f"{asked.tweets} tweets fill no batch of {most}; take more --tweets")
    settings = settings_of(asked, bundle=worker.bundle, threads=worker.threads, batches=batches, lengths=lengths)
    report = Report("engine", settings, [Measured.of(worker.bundle)])
    served = load_engine(worker.bundle, threads=worker.threads)
    load = asked.load()
    works = {f"batches of {batch}": scoring(served, load, batch) for batch in batches}
    for length in lengths:
        works[f"{length} words, batches of {_BATCH}"] = scoring(served, asked.load(length), _BATCH)
    for name, costs in zip(works, rounds(list(works.values()), asked.runs), strict=True):
        report.add(name, "tweets/s", Spread.of([asked.tweets / cost.seconds for cost in costs]))
    publish(report, target)


def scoring(served: Engine, texts: Sequence[str], batch: int) -> Callable[[], None]:
    """A call that scores all ``texts`` in batches."""

    def score() -> None:
        for start in range(0, len(texts), batch):
            served.predict(texts[start : start + batch])

    return score
