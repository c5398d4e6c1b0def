"""``python -m worker bench compare``: side by side with what one would write without this project."""

import contextlib
import functools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from schemas.bundle import MANIFEST_FILE
from worker.commands.bench import INSTALL
from worker.commands.bench.engine import scoring
from worker.commands.bench.load import raw_values
from worker.commands.bench.options import LoadOptions, load_options, settings_of
from worker.commands.bench.pipeline import MEASURED
from worker.commands.bench.report import Measured, Report, Target, publish, report_options
from worker.commands.bench.stand import WORKER, Drained, Stand, stand_options, stands
from worker.commands.bench.timing import Cost, Spread, rounds, seconds
from worker.inference.engine import Engine, load_engine
from worker.options import settings_options
from worker.settings import DEFAULT_BUNDLE, WorkerSettings

PARTS = ("transformer", "lstm", "worker", "retweets")
LOOP = ("-m", "worker.commands.bench.plain_loop")
_BATCH = 32
_SHARES = {"transformer": 1 / 32, "lstm": 1 / 6, "encoder": 1 / 3}
"""Of --tweets: what is slow gets fewer."""
_RETWEETS = 0.3


@click.command()
@click.option(
    "--part",
    "parts",
    type=click.Choice(PARTS),
    multiple=True,
    default=PARTS,
    show_default=True,
    help="what to compare; repeatable",
)
@click.option(
    "--encoder",
    type=click.Path(path_type=Path),
    default=DEFAULT_BUNDLE.with_name("encoder"),
    help="the transformer bundle; default: the one of this project",
)
@settings_options(worker=WorkerSettings, only=MEASURED)
@stand_options
@load_options(tweets=12_000, runs=5)
@report_options
def compare(
    worker: WorkerSettings,
    encoder: Path,
    parts: tuple[str, ...],
    kafka_home: Path | None,
    partitions: int,
    asked: LoadOptions,
    target: Target,
) -> None:
    """Beside transformers' pipeline, Keras and a plain Kafka loop, in rounds that take turns.

    transformer: a DistilBERT of random weights, with the tokenizer of --encoder, in batches of 32 and of --max-batch,
    beside the pipeline in torch fp32 with batches of 32, and beside its bare matrix products. lstm: --bundle, and
    random weights of 256, 128 and 128 units, beside Keras. worker: both bundles on the broker beside a plain
    confluent-kafka loop and beside their engines alone. retweets: both on a load with --repeats, 0.3 if none are asked
    for, beside the same worker without kept answers.
    """
    settings = {name: getattr(worker, name) for name in MEASURED}
    settings |= {"encoder": encoder, "parts": parts, "kafka_home": kafka_home, "partitions": partitions}
    bundles = []
    for bundle, option, idle in ((worker.bundle, "--bundle", "transformer"), (encoder, "--encoder", "lstm")):
        if set(parts) == {idle}:
            continue
        if not (bundle / MANIFEST_FILE).exists():
            raise click.ClickException(f"no bundle at {bundle}; name one with {option}")
        bundles.append(Measured.of(bundle))
    report = Report("compare", settings_of(asked, **settings), bundles)
    if "transformer" in parts:
        _transformer(report, encoder, worker, asked)
    if "lstm" in parts:
        _lstm(report, worker, asked)
    if "worker" in parts or "retweets" in parts:
        with stands(kafka_home) as stand_on:
            for kind, bundle, share in (("LSTM", worker.bundle, 1), ("encoder", encoder, _SHARES["encoder"])):
                served = worker.model_copy(update={"bundle": bundle})
                if "worker" in parts:
                    both = stand_on(served, partitions), stand_on(served, partitions)
                    _worker(report, kind, _shortened(asked.loads(), share), both)
                if "retweets" in parts:
                    repeating = replace(asked, repeats=asked.repeats or _RETWEETS)
                    forgetful = served.model_copy(update={"cache_entries": 0})
                    both = stand_on(served, partitions), stand_on(forgetful, partitions)
                    _retweets(report, kind, _shortened(repeating.loads(), share), both)
    publish(report, target)


def _shortened(loads: list[list[str]], share: float) -> list[list[str]]:
    return [load[: round(len(load) * share)] for load in loads]


def _transformer(report: Report, encoder: Path, worker: WorkerSettings, asked: LoadOptions) -> None:
    load = asked.load()[: max(worker.max_batch, round(asked.tweets * _SHARES["transformer"]))]
    with _bench_extra(), tempfile.TemporaryDirectory(prefix="bench-") as made:
        from worker.commands.bench.torch_rival import build_rival

        rival = build_rival(encoder, Path(made), worker.threads, load)
        ways = [(p, batch) for p in rival.engines for batch in dict.fromkeys((_BATCH, worker.max_batch))]
        works: list[Callable[[], object]] = [lambda: rival.pipeline(load, _BATCH)]
        works += [scoring(rival.engines[precision], load, batch) for precision, batch in ways]
        works += [rival.matrix_products(precision, load, batch) for precision, batch in ways]
        answers = rival.pipeline(load, _BATCH)
        change = {p: float(np.abs(engine.predict(load) - answers).max()) for p, engine in rival.engines.items()}
        slow, *rest = rounds(works, asked.runs)
    _add_rate(report, "DistilBERT: transformers.pipeline, torch fp32", slow, len(load))
    for precision, changed in change.items():
        report.add(f"DistilBERT: engine, {precision}, largest change", "probability", Spread.of([changed]))
    for (precision, batch), fast, limit in zip(ways, rest[: len(ways)], rest[len(ways) :], strict=True):
        way = f"{precision}, batches of {batch}"
        _beside(report, f"DistilBERT: engine, {way}", fast, slow, len(load))
        _add_rate(report, f"DistilBERT: bare matrix products, {way}", limit, len(load))
        shares = [bare.seconds / whole.seconds * 100 for bare, whole in zip(limit, fast, strict=True)]
        report.add(f"DistilBERT: engine, {way}, share of them", "%", Spread.of(shares))


def _lstm(report: Report, worker: WorkerSettings, asked: LoadOptions) -> None:
    load = asked.load()[: max(worker.max_batch, round(asked.tweets * _SHARES["lstm"]))]
    with _bench_extra(), tempfile.TemporaryDirectory(prefix="bench-") as made:
        from worker.commands.bench.keras_rival import KerasRival, write_reference

        for name, folder in (("shipped", worker.bundle), ("256/128/128", write_reference(worker.bundle, Path(made)))):
            engine, rival = load_engine(folder, threads=worker.threads, check_golden=False), KerasRival(folder)
            change = float(np.abs(engine.predict(load) - rival.predict(load, worker.max_batch)).max())
            naive = functools.partial(rival.predict, load, worker.max_batch)
            slow, fast = rounds([naive, scoring(engine, load, worker.max_batch)], asked.runs)
            _add_rate(report, f"LSTM {name}: Keras predict", slow, len(load))
            _beside(report, f"LSTM {name}: engine", fast, slow, len(load))
            report.add(f"LSTM {name}: engine, largest change", "probability", Spread.of([change]))


def _add_rate(report: Report, name: str, costs: list[Cost], tweets: int) -> None:
    report.add(name, "tweets/s", Spread.of([tweets / cost.seconds for cost in costs]))
    report.add(f"{name}, CPU", "ms/tweet", Spread.of([cost.cpu_s / tweets * 1000 for cost in costs]))


def _beside(report: Report, name: str, fast: list[Cost], slow: list[Cost], tweets: int) -> None:
    _add_rate(report, name, fast, tweets)
    pairs = list(zip(fast, slow, strict=True))
    report.add(f"{name}, faster", "times", Spread.of([s.seconds / f.seconds for f, s in pairs]))
    report.add(f"{name}, less CPU", "times", Spread.of([s.cpu_s / f.cpu_s for f, s in pairs]))


def _worker(report: Report, kind: str, loads: list[list[str]], both: tuple[Stand, Stand]) -> None:
    worker = both[0].worker
    found = take_turns(*both, loads, load_engine(worker.bundle, threads=worker.threads), worker.max_batch)
    alone, whole, plain = (list(rates) for rates in zip(*found, strict=True))
    report.add(f"{kind}: engine alone", "tweets/s", Spread.of(alone))
    report.add(f"{kind}: whole worker", "tweets/s", Spread.of([run.rate for run in whole]))
    report.add(f"{kind}: plain loop", "tweets/s", Spread.of([run.rate for run in plain]))
    shares = _shares([run.rate for run in whole], alone)
    report.add(f"{kind}: whole worker, share of the engine alone", "%", Spread.of(shares))
    shares = _shares([run.rate for run in whole], [run.rate for run in plain])
    report.add(f"{kind}: whole worker, share of the plain loop", "%", Spread.of(shares))


def take_turns(
    of_worker: Stand, of_loop: Stand, loads: list[list[str]], engine: Engine, batch: int
) -> list[tuple[float, Drained, Drained]]:
    """For each load but the first, which warms up: the rate of the engine alone, the worker's run and the loop's."""
    found = []
    with of_worker.running(*WORKER) as program, of_loop.running(*LOOP) as loop:
        program.wait_until_ready()
        for load in loads:
            alone = len(load) / seconds(scoring(engine, load, batch))
            values = raw_values(load)
            found.append((alone, of_worker.drain(program, values), of_loop.drain(loop, values)))
        tweets = sum(map(len, loads))
        of_worker.check(program, tweets)
        of_loop.check(loop, tweets, counts=False)
    return found[1:]


def _retweets(report: Report, kind: str, loads: list[list[str]], both: tuple[Stand, Stand]) -> None:
    pairs = []
    with both[0].running(*WORKER) as keeping, both[1].running(*WORKER) as forgetful:
        keeping.wait_until_ready()
        forgetful.wait_until_ready()
        for load in loads:
            values = raw_values(load)
            pairs.append((both[0].drain(keeping, values), both[1].drain(forgetful, values)))
        both[0].check(keeping, sum(map(len, loads)))
        both[1].check(forgetful, sum(map(len, loads)))
    pairs = pairs[1:]
    report.add(f"{kind}: retweets, answers kept", "tweets/s", Spread.of([kept.rate for kept, _ in pairs]))
    report.add(f"{kind}: retweets, every text scored", "tweets/s", Spread.of([scored.rate for _, scored in pairs]))
    faster = [kept.rate / scored.rate for kept, scored in pairs]
    report.add(f"{kind}: retweets, answers kept, faster", "times", Spread.of(faster))
    less = [scored.each_s / kept.each_s for kept, scored in pairs]
    report.add(f"{kind}: retweets, answers kept, less CPU, broker included", "times", Spread.of(less))


def _shares(parts: list[float], wholes: list[float]) -> list[float]:
    return [part / whole * 100 for part, whole in zip(parts, wholes, strict=True)]


@contextlib.contextmanager
def _bench_extra() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error.name} is missing: {INSTALL}, or leave this part out with --part worker"
        ) from error
