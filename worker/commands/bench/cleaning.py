"""``python -m worker bench cleaning``: what comes before the model."""

import click

from worker.commands.bench.engine import scoring
from worker.commands.bench.options import LoadOptions, load_options, settings_of
from worker.commands.bench.report import Measured, Report, Target, publish, report_options
from worker.commands.bench.timing import Spread, rounds
from worker.options import settings_options
from worker.settings import WorkerSettings

_BATCH = 64


@click.command()
@settings_options(worker=WorkerSettings, only=("bundle", "threads"))
@load_options(tweets=2000, runs=5)
@report_options
def cleaning(worker: WorkerSettings, asked: LoadOptions, target: Target) -> None:
    """Cleaning and tokenising alone, and their share of the engine's time on the same texts in the same run."""
    from worker.inference.bundle import TOKENIZER_FILE
    from worker.inference.cleaning import clean
    from worker.inference.engine import load_engine
    from worker.inference.tokens import read_tokeniser

    settings = settings_of(asked, bundle=worker.bundle, threads=worker.threads)
    report = Report("cleaning", settings, [Measured.of(worker.bundle)])
    served = load_engine(worker.bundle, threads=worker.threads)
    tokeniser = read_tokeniser(worker.bundle / TOKENIZER_FILE, served.manifest.max_tokens)
    load = asked.load()
    cleaned = [clean(text) for text in load]

    def clean_all() -> None:
        for text in load:
            clean(text)

    def tokenise() -> None:
        for start in range(0, len(cleaned), _BATCH):
            tokeniser.ids(cleaned[start : start + _BATCH])

    costs = rounds([clean_all, tokenise, scoring(served, load, _BATCH)], asked.runs)
    for name, of_work in zip(
        ("clean", f"tokenise, batches of {_BATCH}", f"engine, batches of {_BATCH}"), costs, strict=True
    ):
        report.add(name, "tweets/s", Spread.of([len(load) / cost.seconds for cost in of_work]))
        report.add(f"{name}, CPU", "ms/tweet", Spread.of([cost.cpu_s / len(load) * 1000 for cost in of_work]))
    turns = list(zip(*costs, strict=True))
    shares = [(first.cpu_s + then.cpu_s) / whole.cpu_s * 100 for first, then, whole in turns]
    report.add("clean and tokenise, share of the engine's CPU", "%", Spread.of(shares))
    shares = [(first.seconds + then.seconds) / whole.seconds * 100 for first, then, whole in turns]
    report.add("clean and tokenise, share of the engine's time", "%", Spread.of(shares))
    publish(report, target)
