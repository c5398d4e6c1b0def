"""``python -m tests.chaos``: break a stream at random points of a seed, then check every guarantee."""

import contextlib
import os
import sys
import tempfile
import uuid
from pathlib import Path

import click
from rich.console import Console

from tests.bundles import build_tiny_bundle
from tests.chaos.aborting import Aborting
from tests.chaos.driver import Driver, Stage
from tests.chaos.load import Load
from tests.chaos.scenario import draw
from tests.stream import PARTITIONS
from worker.brokers import ApacheKafka, EmbeddedBroker, LocalBroker
from worker.commands.topics import create_topics
from worker.settings import KafkaSettings, WorkerSettings

_STEP_S = 12.0
"""About what a step takes, a new assignment after kill -9 included."""

_THRESHOLD = 0.36
"""Of the confidences that the tiny bundles give to the load, some lie below it and some above."""

_BROKER_RECOVERS_S = 300.0
"""After kill -9 a broker first reads its logs again, on a busy machine for minutes."""


@click.command()
@click.option("--broker", "kind", type=click.Choice(["apache", "embedded"]), default="embedded", show_default=True)
@click.option("--kills", type=click.IntRange(1), default=5, show_default=True, help="workers killed with SIGKILL")
@click.option("--tweets", type=click.IntRange(1), default=5000, show_default=True)
@click.option("--workers", type=click.IntRange(1), default=3, show_default=True, help="at once, at most")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--rate", type=float, help="tweets a second  [default: so that they last as long as the scenario]")
@click.option("--every-s", type=float, help="seconds between two steps  [default: random]")
@click.option(
    "--backlog", type=click.IntRange(0), default=0, help="of the tweets, so many wait before the first worker"
)
@click.option("--keep", type=click.Path(path_type=Path), help="folder for logs and data  [default: a temporary one]")
def main(
    *,
    kind: str,
    kills: int,
    tweets: int,
    workers: int,
    seed: int,
    rate: float | None,
    every_s: float | None,
    backlog: int,
    keep: Path | None,
) -> None:
    """Break a stream on purpose and check what is promised; the exit code is 1 where something does not hold."""
    console = Console()
    scenario = draw(seed, kills, workers, broker_faults=kind == "apache", every_s=every_s)
    rate = rate or max(1, tweets - backlog) / (len(scenario.steps) * (every_s or _STEP_S))
    with tempfile.TemporaryDirectory(prefix="chaos-") as made:
        folder = keep or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        with _broker(kind, folder / "broker") as broker:
            name = f"chaos-{uuid.uuid4().hex[:6]}"
            kafka = KafkaSettings(
                bootstrap_servers=broker.bootstrap_servers,
                raw_topic=f"{name}.raw",
                emotion_topic=f"{name}.emotion",
                dead_topic=f"{name}.dead",
            )
            worker = WorkerSettings(app_id=name, retention_s=4 * 3600, abstain_threshold=_THRESHOLD)
            create_topics(kafka, worker, partitions=PARTITIONS)
            bundles = (
                build_tiny_bundle(folder / "one"),
                build_tiny_bundle(folder / "other", seed=8, version="2"),
            )
            stage = Stage(broker, kafka, worker, bundles, folder, console)
            aborting = Aborting(kafka, seed)
            # The embedded broker has no transactions.
            with aborting if kind == "apache" else contextlib.nullcontext():
                report = Driver(stage, scenario, Load(kafka, seed, tweets, rate, backlog), seed, workers).run()
    report.print(console)
    console.print(f"{aborting.tweets} other tweets stood in transactions that were aborted")
    nothing_was_aborted = kind == "apache" and not aborting.tweets
    sys.exit(1 if report.violations or nothing_was_aborted else 0)


def _broker(kind: str, folder: Path) -> LocalBroker:
    if kind == "embedded":
        return EmbeddedBroker(folder)
    home = os.environ.get("KAFKA_HOME")
    if home is None:
        raise click.UsageError("--broker apache needs KAFKA_HOME, an unpacked Apache Kafka")
    return ApacheKafka(Path(home), folder, ready_within_s=_BROKER_RECOVERS_S)


if __name__ == "__main__":
    main()
