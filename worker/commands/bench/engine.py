"""``python -m worker bench engine``: tweets a second of the bundle's engine, nothing around it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from worker.commands.bench.options import load_of, load_options, settings_of
from worker.commands.bench.report import Report, publish, report_options
from worker.commands.bench.timing import rate
from worker.inference.engine import Engine
from worker.options import settings_options
from worker.settings import WorkerSettings


@click.command()
@settings_options(worker=WorkerSettings, only=("bundle", "threads"))
@load_options(tweets=2000, runs=5)
@click.option("--batch", "batches", type=click.IntRange(1), multiple=True, default=(1, 8, 32, 64, 128, 256))
@click.option("--words", "lengths", type=click.IntRange(1), multiple=True, default=(5, 10, 20, 40))
@report_options
def engine(  # noqa: PLR0913, PLR0917 - a parameter an option
    worker: WorkerSettings,
    tweets: int,
    runs: int,
    texts: Path | None,
    repeats: float,
    seed: int,
    batches: tuple[int, ...],
    lengths: tuple[int, ...],
    json_file: Path | None,
    plot: Path | None,
) -> None:
    """Raw texts in, probabilities out, without a cache: over batch sizes, and over lengths in batches of 64."""
    from worker.inference.engine import load_engine

    served = load_engine(worker.bundle, threads=worker.threads)
    load = load_of(texts, tweets, repeats, seed)
    asked = settings_of(bundle=worker.bundle, threads=worker.threads, tweets=tweets, texts=texts, repeats=repeats)
    report = Report("engine", {**asked, "seed": seed, "precision": served.precision})
    for batch in batches:
        report.add(f"batches of {batch}", "tweets/s", rate(scoring(served, load, batch), len(load), runs))
    words = [word for text in load for word in text.split()]
    for length in lengths:
        fixed = [" ".join(words[start : start + length]) for start in range(0, len(words) - length, length)][:tweets]
        report.add(f"{length} words, batches of 64", "tweets/s", rate(scoring(served, fixed, 64), len(fixed), runs))
    publish(report, json_file, plot)


def scoring(served: Engine, texts: Sequence[str], batch: int) -> Callable[[], None]:
    """A call that scores all ``texts`` in batches."""

    def score() -> None:
        for start in range(0, len(texts), batch):
            served.predict(texts[start : start + batch])

    return score
