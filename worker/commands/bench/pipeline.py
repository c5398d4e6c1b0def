"""``python -m worker bench pipeline``: the whole worker on a broker beside its engine alone, and its edge alone."""

from pathlib import Path
from statistics import median
from typing import Any

import click

from worker.commands.bench.engine import scoring
from worker.commands.bench.load import raw_values
from worker.commands.bench.options import LoadOptions, load_options, settings_of
from worker.commands.bench.report import Measured, Report, Target, publish, report_options
from worker.commands.bench.stand import WORKER, Drained, Running, Stand, stand_options, stands
from worker.commands.bench.timing import Spread, rounds, seconds
from worker.inference.engine import Engine
from worker.options import settings_options
from worker.settings import WorkerSettings

MEASURED = ("bundle", "threads", "max_batch", "max_wait_s", "cache_entries")
"""Settings of the worker that a measurement may vary."""
EDGE = ("-m", "worker.commands.bench.edge_worker")


@click.command()
@settings_options(worker=WorkerSettings, only=MEASURED)
@stand_options
@load_options(tweets=12_000, runs=3)
@report_options
def pipeline(
    worker: WorkerSettings, kafka_home: Path | None, partitions: int, asked: LoadOptions, target: Target
) -> None:
    """Raw records in, events out, counted and committed; each run beside the engine alone on the same texts."""
    from worker.inference.cleaning import clean
    from worker.inference.engine import load_engine

    settings = {name: getattr(worker, name) for name in MEASURED}
    settings |= {"kafka_home": kafka_home, "partitions": partitions}
    report = Report("pipeline", settings_of(asked, **settings), [Measured.of(worker.bundle)])
    loads = asked.loads()
    with stands(kafka_home) as stand_on:
        served = load_engine(worker.bundle, threads=worker.threads)
        whole = beside_engine(stand_on(worker, partitions), loads, served, worker.max_batch)
        del served
        edge = drained(stand_on(worker.model_copy(update={"cache_entries": 0}), partitions), loads, *EDGE)
    engine_rates, runs_of_worker = zip(*whole, strict=True)
    report.add("engine alone", "tweets/s", Spread.of(engine_rates))
    report.add("whole worker", "tweets/s", Spread.of([run.rate for run in runs_of_worker]))
    shares = [run.rate / alone * 100 for alone, run in whole]
    report.add("whole worker, share of the engine alone", "%", Spread.of(shares))
    report.add("whole worker, CPU", "ms/tweet", cpu_of(runs_of_worker))
    report.add("broker, CPU", "ms/tweet", Spread.of([run.broker_cpu_s / run.tweets * 1000 for run in runs_of_worker]))
    (cleanings,) = rounds([lambda: [clean(text) for text in loads[0]]], asked.runs)
    clean_ms = median(cost.cpu_s / len(loads[0]) * 1000 for cost in cleanings)
    report.add("edge: no model, cleaning included", "tweets/s", Spread.of([run.rate for run in edge]))
    report.add("edge: no model, cleaning included, CPU", "ms/tweet", cpu_of(edge))
    without = [run.cpu_s / run.tweets * 1000 - clean_ms for run in edge]
    report.add("edge: no model, without cleaning, CPU", "ms/tweet", Spread.of(without))
    publish(report, target)


def cpu_of(runs: Any) -> Spread:
    """Milliseconds of CPU a tweet."""
    return Spread.of([run.cpu_s / run.tweets * 1000 for run in runs])


def beside_engine(stand: Stand, loads: list[list[str]], served: Engine, batch: int) -> list[tuple[float, Drained]]:
    """For each load but the first, which warms up: the engine's rate alone, and the worker's run."""
    scoring(served, loads[0], batch)()
    found = []
    with stand.running(*WORKER) as program:
        program.wait_until_ready()
        stand.drain(program, raw_values(loads[0]))
        for load in loads[1:]:
            alone = len(load) / seconds(scoring(served, load, batch))
            found.append((alone, stand.drain(program, raw_values(load))))
        stand.check(program, sum(map(len, loads)))
    return found


def drained(stand: Stand, loads: list[list[str]], *command: str) -> list[Drained]:
    """The runs of a program over the loads; the first warms up."""

    def run(program: Running, load: list[str]) -> Drained:
        return stand.drain(program, raw_values(load))

    with stand.running(*command) as program:
        program.wait_until_ready()
        found = [run(program, load) for load in loads][1:]
        stand.check(program, sum(map(len, loads)))
    return found
