"""``python -m worker bench engine``: tweets a second of the bundle's engine, nothing around it."""

from collections.abc import Callable, Sequence

import click

from worker.commands.bench.options import LoadOptions, load_options, settings_of
from worker.commands.bench.report import Report, Target, publish, report_options
from worker.commands.bench.timing import rate
from worker.inference.engine import Engine
from worker.options import settings_options
from worker.settings import WorkerSettings


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
    """Raw texts in, probabilities out, without a cache: over batch sizes, and over lengths in batches of 64."""
    from worker.inference.engine import load_engine

    served = load_engine(worker.bundle, threads=worker.threads)
    load, runs = asked.load(), asked.runs
    settings = settings_of(asked, bundle=worker.bundle, threads=worker.threads, precision=served.precision)
    report = Report("engine", settings)
    for batch in batches:
        report.add(f"batches of {batch}", "tweets/s", rate(scoring(served, load, batch), len(load), runs))
    words = [word for text in load for word in text.split()]
    for length in lengths:
        fixed = [" ".join(words[start : start + length]) for start in range(0, len(words) - length, length)][
            : asked.tweets
        ]
        report.add(f"{length} words, batches of 64", "tweets/s", rate(scoring(served, fixed, 64), len(fixed), runs))
    publish(report, target)


def scoring(served: Engine, texts: Sequence[str], batch: int) -> Callable[[], None]:
    """A call that scores all ``texts`` in batches."""

    def score() -> None:
        for start in range(0, len(texts), batch):
            served.predict(texts[start : start + batch])

    return score
