"""``python -m worker bench cleaning``: what comes before the model."""

import click

from worker.commands.bench.engine import scoring
from worker.commands.bench.options import LoadOptions, load_options, settings_of
from worker.commands.bench.report import Report, Target, publish, report_options
from worker.commands.bench.timing import Spread, seconds
from worker.options import settings_options
from worker.settings import WorkerSettings

_BATCH = 64


@click.command()
@settings_options(worker=WorkerSettings, only=("bundle", "threads"))
@load_options(tweets=2000, runs=5)
@report_options
def cleaning(worker: WorkerSettings, asked: LoadOptions, target: Target) -> None:
    """Cleaning and tokenising alone, and their share of the engine's time on the same texts in the same run."""
    from tokenizers import Tokenizer

    from worker.inference.bundle import TOKENIZER_FILE
    from worker.inference.cleaning import clean
    from worker.inference.engine import load_engine

    served = load_engine(worker.bundle, threads=worker.threads)
    tokenizer: Tokenizer = Tokenizer.from_file(str(worker.bundle / TOKENIZER_FILE))
    tokenizer.enable_truncation(served.manifest.max_tokens)
    load, tweets = asked.load(), asked.tweets
    cleaned = [clean(text) for text in load]

    def clean_all() -> None:
        for text in load:
            clean(text)

    def tokenise() -> None:
        for start in range(0, len(cleaned), _BATCH):
            tokenizer.encode_batch_fast(cleaned[start : start + _BATCH])

    score = scoring(served, load, _BATCH)
    for warm_up in (clean_all, tokenise, score):
        warm_up()
    times = [(seconds(clean_all), seconds(tokenise), seconds(score)) for _ in range(asked.runs)]
    report = Report("cleaning", settings_of(asked, bundle=worker.bundle, threads=worker.threads))
    report.add("clean", "tweets/s", Spread.of([tweets / clean_s for clean_s, _, _ in times]))
    report.add(f"tokenise, batches of {_BATCH}", "tweets/s", Spread.of([tweets / token_s for _, token_s, _ in times]))
    report.add(f"engine, batches of {_BATCH}", "tweets/s", Spread.of([tweets / whole_s for _, _, whole_s in times]))
    shares = [(clean_s + token_s) / whole_s * 100 for clean_s, token_s, whole_s in times]
    report.add("clean and tokenise, share of the engine's time", "%", Spread.of(shares))
    publish(report, target)
