"""``python -m worker demo``: a whole stream on this machine, ended by one Ctrl-C."""

import contextlib
import itertools
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from confluent_kafka import Producer
from pydantic import ValidationError
from rich.console import Console
from rich.live import Live

from schemas.event import EmotionEvent
from worker import tether
from worker.brokers import ApacheKafka, EmbeddedBroker, LocalBroker, free_port
from worker.commands.consuming import read_topic
from worker.commands.counts import fetch_counts
from worker.commands.emotions import counts_table, event_line
from worker.commands.reading import BAD_SAMPLES, SAMPLES, Columns, Item, read_items
from worker.commands.topics import create_topics
from worker.errors import WorkerError
from worker.options import KAFKA_HOME, FiniteRange, settings_options
from worker.settings import KafkaSettings, WorkerSettings

_STOP_TIMEOUT_S = 20.0
_REFRESH_S = 0.5
_WINDOW = "60s"
_PLAIN_COUNTS_EVERY_S = 10.0


@click.command()
@settings_options(kafka=KafkaSettings, worker=WorkerSettings, only=("bundle", "http_port"))
@click.option("--rate", type=FiniteRange(0, min_open=True), default=4.0, show_default=True, help="tweets a second")
@KAFKA_HOME
@click.option("--duration", "duration_s", type=FiniteRange(0, min_open=True), help="end after so many seconds")
def demo(
    kafka: KafkaSettings, worker: WorkerSettings, rate: float, kafka_home: Path | None, duration_s: float | None
) -> None:
    """Start a broker, the topics and a worker, replay the sample tweets, show labels and counts live."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(highlight=False)
    port = worker.http_port if "http_port" in worker.model_fields_set else free_port()
    try:
        with tempfile.TemporaryDirectory(prefix="tweet-emotions-") as made:
            folder = Path(made)
            with _broker(folder, kafka_home) as broker:
                ours = {"bootstrap_servers": broker.bootstrap_servers, "security_protocol": "PLAINTEXT"}
                kafka = kafka.model_copy(update=ours)
                create_topics(kafka, worker)
                console.print(f"broker at {broker.bootstrap_servers}, counts at http://127.0.0.1:{port}/counts")
                with _worker(folder, kafka, worker, port) as process, _samples(kafka, rate):
                    _show(console, _Stream(kafka, port, worker.http_token_file, process), duration_s)
    except KeyboardInterrupt:
        console.print("ended")


def _broker(folder: Path, kafka_home: Path | None) -> LocalBroker:
    if kafka_home is not None:
        return ApacheKafka(kafka_home.resolve(), folder / "broker")
    return EmbeddedBroker(folder / "broker")


@contextlib.contextmanager
def _worker(folder: Path, kafka: KafkaSettings, worker: WorkerSettings, port: int) -> Iterator[subprocess.Popen[bytes]]:
    log = folder / "worker.log"
    command = [sys.executable, "-m", "worker", "run", "--include-text", "--http-port", str(port)]
    command += ["--http-host", "127.0.0.1"]
    command += ["--bundle", str(worker.bundle), "--bootstrap-servers", kafka.bootstrap_servers]
    command += ["--security-protocol", kafka.security_protocol]
    process = tether.start([*command, "--data-dir", str(folder / "data")], log)
    try:
        yield process
    finally:
        code = tether.end(process, _STOP_TIMEOUT_S)
        if code not in (0, -signal.SIGTERM):
            click.echo(log.read_text(errors="replace")[-2000:], err=True)


@contextlib.contextmanager
def _samples(kafka: KafkaSettings, rate: float) -> Iterator[None]:
    """Replay the sample tweets, good and bad, until the block ends."""
    stopping = threading.Event()
    thread = threading.Thread(target=_replay, args=(kafka, rate, stopping), name="samples")
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def _replay(kafka: KafkaSettings, rate: float, stopping: threading.Event) -> None:
    producer = Producer(kafka.client_config())
    for item in itertools.cycle(_sample_items()):
        producer.produce(kafka.raw_topic, item.value, item.key)
        producer.poll(0)
        if stopping.wait(1 / rate):
            break
    producer.flush(1)


def _sample_items() -> list[Item]:
    """The sample tweets, after every dozen one that is bad."""
    good, bad = (list(read_items(str(path), Columns())) for path in (SAMPLES, BAD_SAMPLES))
    dozens = [good[start : start + 12] for start in range(0, len(good), 12)]
    return [item for dozen, one in zip(dozens, itertools.cycle(bad), strict=False) for item in (*dozen, one)]


@dataclass(frozen=True, slots=True)
class _Stream:
    kafka: KafkaSettings
    port: int
    token_file: Path | None
    worker: subprocess.Popen[bytes]


def _show(console: Console, stream: _Stream, duration_s: float | None) -> None:
    started = time.monotonic()
    events: queue.SimpleQueue[EmotionEvent] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(stream.kafka, events), daemon=True, name="listener").start()
    live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
    next_counts = started
    with live or contextlib.nullcontext():
        while duration_s is None or time.monotonic() - started < duration_s:
            if stream.worker.poll() is not None:
                raise WorkerError(f"the worker ended with exit code {stream.worker.returncode}")
            with contextlib.suppress(queue.Empty):
                event = events.get(timeout=_REFRESH_S)
                console.print(event_line(event), no_wrap=True, overflow="ellipsis")
            if time.monotonic() >= next_counts:
                next_counts = time.monotonic() + (_REFRESH_S if live else _PLAIN_COUNTS_EVERY_S)
                _show_counts(console, live, stream)


def _show_counts(console: Console, live: Live | None, stream: _Stream) -> None:
    try:
        table = counts_table(fetch_counts(f"http://127.0.0.1:{stream.port}", _WINDOW, stream.token_file))
    except click.ClickException:
        return  # the worker is still starting
    if live is None:
        console.print(table)
    else:
        live.update(table, refresh=True)


def _listen(kafka: KafkaSettings, events: "queue.SimpleQueue[EmotionEvent]") -> None:
    for message in read_topic(kafka, kafka.emotion_topic, from_beginning=True, follow=True):
        with contextlib.suppress(ValidationError):
            events.put(EmotionEvent.model_validate_json(message.value() or b""))
