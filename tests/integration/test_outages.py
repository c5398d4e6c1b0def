"""What lasts a minute: brokers that are away or slow, workers that stand still, full disks, backlogs, expiry."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import orjson
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from rich.console import Console

from tests.bundles import build_tiny_bundle
from tests.chaos.driver import Driver, Stage
from tests.chaos.fleet import freeze, memory_mb
from tests.chaos.ledger import read_all
from tests.chaos.load import Load
from tests.chaos.report import Report
from tests.chaos.scenario import Act, Scenario, Step
from tests.poisoned_worker import WORD
from tests.stream import PARTITIONS, START_BOUND_S, Stream, tweets, wait_for
from worker.brokers import ApacheKafka, LocalBroker

pytestmark = pytest.mark.integration
MOST_WAITING_MB = 60
"""What a worker may hold of a backlog; without a bound before the agent a million small tweets take over 300 MB."""


def step(act: Act, lasting_s: float = 0.0, *, after_s: float = 2.0) -> Step:
    return Step(act, when_ready=True, after_s=after_s, member=0, bundle=0, lasting_s=lasting_s)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_minute_without_a_broker_and_a_slow_one_lose_repeat_and_miscount_nothing(
    stream: Stream, broker: LocalBroker, tiny_bundle: Path, tmp_path: Path
) -> None:
    away = Act.BROKER_AWAY if isinstance(broker, ApacheKafka) else Act.BROKER_PAUSE
    scenario = Scenario(
        alone=(step(away, 60.0), step(Act.BROKER_SLOW, 20.0)),
        together=(step(Act.JOIN), step(Act.BROKER_SLOW, 20.0), step(away, 60.0), step(Act.LEAVE)),
    )
    check(stream, broker, tiny_bundle, tmp_path, scenario)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_workers_that_come_go_and_stand_still_repeat_at_most_the_batch_on_its_way(
    stream: Stream, broker: LocalBroker, tiny_bundle: Path, tmp_path: Path
) -> None:
    come_and_go = (step(Act.JOIN), step(Act.JOIN), step(Act.LEAVE), step(Act.JOIN), step(Act.KILL), step(Act.LEAVE))
    scenario = Scenario(
        alone=(step(Act.WORKER_PAUSE, 12.0),), together=(*come_and_go, step(Act.WORKER_PAUSE, 12.0), *come_and_go)
    )
    report = check(stream, broker, tiny_bundle, tmp_path, scenario)
    assert len(report.outcomes.repeated_together) <= stream.worker.max_batch


def check(stream: Stream, broker: LocalBroker, bundle: Path, folder: Path, scenario: Scenario) -> Report:
    bundles = (bundle, build_tiny_bundle(folder / "other", seed=8, version="2"))
    stage = Stage(broker, stream.kafka, stream.worker, bundles, folder, Console())
    load = Load(stream.kafka, seed=1, count=30_000, rate=100.0)
    report = Driver(stage, scenario, load, seed=1, workers=3).run()
    report.print(Console())
    assert report.violations == []
    return report


@pytest.mark.slow
def test_parts_of_a_worker_that_stands_still_are_marked_and_then_taken_over(stream: Stream, tmp_path: Path) -> None:
    with Stream(stream.kafka, stream.worker, tmp_path / "second.log") as second:
        for number, one in enumerate((stream, second)):
            one.start(WORKER_STALE_AFTER_S="1", WORKER_DATA_DIR=str(tmp_path / str(number)))
        for one in (stream, second):
            wait_for(lambda one=one: one.get("/readyz")["ready"], START_BOUND_S)  # type: ignore[misc]
        stream.produce(tweets(400))
        second.wait_until_counted(400)
        wait_for(lambda: second.counts()["complete"], 30)
        assert stream.process is not None
        freeze(stream.process.pid)
        stream.produce(tweets(400))

        def part_marked() -> list[bool] | None:
            answer = second.counts()
            stale = [part["stale"] for part in answer["partitions"]]
            assert len(stale) == PARTITIONS
            assert not (any(stale) and answer["complete"])
            return stale if any(stale) else None

        stale = wait_for(part_marked, 30)
        assert stale.count(False) >= 1
        answer = second.wait_until_counted(800)
        assert not any(part["stale"] for part in answer["partitions"])
        stream.kill()
        second.check_exact(800)


@pytest.fixture
def full_folder(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own without a free byte."""
    folder = tmp_path / "full"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("may not mount a file system")
    try:
        with suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.slow
def test_a_full_disk_under_the_data_folder_loses_nothing(stream: Stream, full_folder: Path) -> None:
    stream.produce(tweets(200))
    stream.start(WORKER_DATA_DIR=str(full_folder))
    stream.wait_until_counted(200)
    stream.kill()
    stream.produce(tweets(200))
    stream.start(WORKER_DATA_DIR=str(full_folder))
    stream.check_exact(400)
    assert "cannot be written" in stream.log.read_text()


@pytest.mark.slow_on_apache
def test_old_counts_leave_the_table_the_changelog_and_what_a_restart_knows(stream: Stream) -> None:
    stream.start(WORKER_BUCKET_S="1", WORKER_RETENTION_S="60")
    now_s = time.time()
    for moment_s in (now_s - 300, now_s - 299, now_s):
        stream.produce(tweets(40), at_s=moment_s)
        wait_for(lambda moment_s=moment_s: counted_at(stream, moment_s) == 40, START_BOUND_S)  # type: ignore[misc]

    def expired() -> bool:
        rows = newest_rows(stream)
        old = [rows[key] for key in rows if key[1][0] < now_s - 200]
        return len(old) == 2 * PARTITIONS and not any(old)

    wait_for(expired, 30)
    assert counted_at(stream, now_s) == 40
    stream.kill()
    shutil.rmtree(stream.worker.data_dir, ignore_errors=True)
    stream.start(WORKER_BUCKET_S="1", WORKER_RETENTION_S="60")
    wait_for(lambda: stream.get("/readyz")["ready"], START_BOUND_S)
    assert [counted_at(stream, now_s - age_s) for age_s in (300, 299, 0)] == [0, 0, 40]


def counted_at(stream: Stream, moment_s: float) -> int:
    return int(stream.get(f"/counts?window=1s&at={time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(moment_s))}")["total"])


def newest_rows(stream: Stream) -> dict[tuple[int, tuple[float, float]], bool]:
    """Key -> whether the changelog's last record of it is a row, and no tombstone."""
    newest = {}
    for message in read_all(stream.kafka, stream.worker.changelog_topic):
        partition, (start, end) = orjson.loads(message.key() or b"")
        newest[partition, (start, end)] = message.value() is not None
    return newest


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_backlog_before_a_slow_model_costs_neither_memory_nor_heartbeats(stream: Stream) -> None:
    stream.command = ("tests.poisoned_worker",)
    stream.start(POISON_MANNER="slow", WORKER_LOG_FORMAT="json")
    wait_for(lambda: stream.get("/readyz")["ready"], START_BOUND_S)
    process = stream.process
    assert process is not None
    at_rest_mb = memory_mb(process.pid)
    stream.produce([f"so happy {WORD} {number}".encode() for number in range(1_000_000)])
    stream.wait_until_counted(64, 60)
    sizes_mb = []
    for _ in range(60):
        time.sleep(1.0)
        sizes_mb.append(memory_mb(process.pid))
        assert process.poll() is None
        assert stream.get("/healthz")["alive"]
    assert max(sizes_mb) - sizes_mb[0] < 20, sizes_mb
    assert max(sizes_mb) - at_rest_mb < MOST_WAITING_MB, (at_rest_mb, sizes_mb)
    assert stream.log.read_text().count("partitions assigned") == 1
    assert stream.counts()["total"] > 64


@pytest.mark.apache
@pytest.mark.parametrize("broker", ["apache"], indirect=True)  # the embedded one deletes nothing
def test_tweets_that_the_topic_deletes_under_a_worker_that_stands_still_are_told(stream: Stream) -> None:
    stream.produce(tweets(40))
    stream.start()
    stream.wait_until_counted(40)
    process = stream.process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    stream.produce(tweets(80))
    gone = [TopicPartition(stream.kafka.raw_topic, partition, 22 + partition) for partition in range(PARTITIONS)]
    admin = AdminClient(stream.kafka.client_config())
    for deleted in admin.delete_records(gone).values():
        deleted.result(30)
    process.send_signal(signal.SIGCONT)
    missing = sum(12 + partition for partition in range(PARTITIONS))
    stream.wait_until_counted(120 - missing)
    wait_for(lambda: f"tweet_emotions_deleted_unread_total {missing}.0" in stream.page("/metrics"), 30)
    assert stream.log.read_text().count("the raw topic deleted tweets before they were labelled") == PARTITIONS
