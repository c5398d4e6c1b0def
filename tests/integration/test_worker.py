"""The worker as a process, on a real broker: every raw record has one outcome, the counts equal the events."""

import json
import shutil
import socket
import time
from pathlib import Path

import pytest

from schemas.counts import WindowCounts
from schemas.dead_letter import DeadLetter
from schemas.event import EmotionEvent
from tests.bundles import build_tiny_bundle
from tests.stream import START_BOUND_S, Stream, committed, tweets, wait_for
from worker.commands.topics import create_topics
from worker.settings import KafkaSettings

pytestmark = pytest.mark.integration

BAD: dict[str, list[bytes | None]] = {
    "empty_value": [None, b""],
    "not_utf8": [b"caf\xe9 time"],
    "not_json": [b'{"text": "cut'],
    "too_deep": [b'{"text": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"],
    "wrong_shape": [b"[1, 2]"],
    "missing_text": [b'{"body": "x"}', b'{"text": 7}'],
    "empty_text": [b'{"text": ""}'],
    "text_too_long": [json.dumps({"text": "happy " * 160_000}).encode()],
    "no_words": [b"https://example.org/x", "\U0001f602\U0001f602".encode(), b'"\\u0000\\u0001"'],
}
ODD_BUT_GOOD = [
    b"plain happy text",
    b'"a JSON string"',
    b'{"text": "nul \\u0000 and happy"}',
    b'{"text": "lone surrogate \\ud83d happy"}',
    b'{"id": "7", "text": "absurd clock", "created_at": "9999-99-99"}',
    b'{"id": "7", "text": "the same id again", "created_at": 9e99}',
    b'{"data": {"id": "8", "text": "so happy &amp;amp; sad"}}',
]


def test_good_and_bad_input_each_get_one_outcome_that_keeps_the_contract(stream: Stream) -> None:
    bad = [value for values in BAD.values() for value in values]
    values = [*tweets(200), *ODD_BUT_GOOD, *bad]
    stream.produce(values)
    stream.start("--include-text")
    events, letters = stream.check_exact(len(values))
    assert sorted(letter["reason"] for letter in letters) == sorted(r for r, vs in BAD.items() for _ in vs)
    for letter in letters:
        read = DeadLetter.model_validate(letter)
        original = values[read.source.offset * 4 + read.source.partition]
        same = read.original_bytes == original
        assert same or read.original_truncated, f"{read.reason} of {read.source}"
    for event in events:
        EmotionEvent.model_validate(event)
    WindowCounts.model_validate(stream.counts())
    assert stream.get("/model")["name"] == "tiny"
    assert stream.get("/readyz") == {"ready": True, "missing": []}
    assert stream.get("/healthz")["alive"]
    assert stream.terminate() == 0


def test_producers_may_compress_as_they_like(stream: Stream) -> None:
    for compression in ("gzip", "snappy", "lz4", "zstd"):
        stream.produce(tweets(100), compression=compression)
    stream.start()
    stream.check_exact(400)


def test_events_stand_in_the_partition_and_order_of_their_tweets(stream: Stream) -> None:
    stream.produce(tweets(400))
    stream.start()
    events, _ = stream.check_exact(400)
    for partition in range(4):
        offsets = [e["source"]["offset"] for e in events if e["source"]["partition"] == partition]
        assert offsets == sorted(offsets)


def test_kill_9_and_restart_lose_repeat_and_miscount_nothing(stream: Stream) -> None:
    produced = 0
    for _ in range(3):
        stream.start()
        stream.produce(tweets(1500))
        produced += 1500
        stream.wait_until_counted(produced - 1400)
        stream.kill()
    stream.start()
    stream.check_exact(produced)


def test_sigterm_commits_and_the_next_start_continues_with_another_model(stream: Stream, tmp_path: Path) -> None:
    stream.produce(tweets(300))
    stream.start()
    stream.wait_until_counted(300)
    assert stream.terminate() == 0
    assert committed(stream) == [75] * 4
    other = build_tiny_bundle(tmp_path / "other", seed=8, version="2")
    stream.produce(tweets(100))
    stream.start("--bundle", str(other))
    events, _ = stream.check_exact(400)
    assert {event["bundle"]["version"] for event in events} == {"1", "2"}


def test_the_counts_come_back_on_an_empty_data_folder(stream: Stream) -> None:
    stream.produce(tweets(300))
    stream.start()
    before = stream.wait_until_counted(300)["counts"]
    stream.kill()
    shutil.rmtree(stream.worker.data_dir)
    stream.start()
    assert stream.wait_until_counted(300)["counts"] == before
    stream.check_exact(300)


def test_a_second_worker_answers_for_all_partitions(stream: Stream, tmp_path: Path) -> None:
    with Stream(stream.kafka, stream.worker, tmp_path / "second.log") as second:
        stream.start()
        second.start(WORKER_DATA_DIR=str(tmp_path / "second"))
        for one in (stream, second):
            wait_for(lambda one=one: one.get("/readyz")["ready"], START_BOUND_S)  # type: ignore[misc]
        stream.produce(tweets(400))
        stream.check_exact(400)
        assert second.wait_until_counted(400)["counts"] == stream.counts()["counts"]


@pytest.mark.slow
def test_a_crashed_worker_takes_no_idle_neighbour_with_it(stream: Stream, tmp_path: Path) -> None:
    idle_s = 8
    with Stream(stream.kafka, stream.worker, tmp_path / "second.log") as second:
        for number, one in enumerate((stream, second)):
            one.start("--stuck-s", str(idle_s - 2), WORKER_DATA_DIR=str(tmp_path / str(number)))
        for one in (stream, second):
            wait_for(lambda one=one: one.get("/readyz")["ready"], START_BOUND_S)  # type: ignore[misc]
        stream.produce(tweets(40))
        stream.wait_until_counted(40)
        neighbour = stream.process
        assert neighbour is not None
        time.sleep(idle_s)
        second.kill()
        second.start(WORKER_DATA_DIR=str(tmp_path / "1"))
        wait_for(lambda: second.get("/readyz")["ready"], START_BOUND_S)
        stream.produce(tweets(40))
        stream.wait_until_counted(80)
        assert neighbour.poll() is None


def exit_of(stream: Stream, *options: str, **environment: str) -> tuple[int, str]:
    stream.start(*options, **environment)
    return stream.ended(), stream.log.read_text()


def test_a_missing_bundle_is_named(stream: Stream, tmp_path: Path) -> None:
    code, said = exit_of(stream, "--bundle", str(tmp_path / "nowhere"))
    assert code == 78
    assert "nowhere" in said
    assert "--bundle" in said


def test_a_tampered_bundle_is_refused_by_the_name_of_its_file(stream: Stream, tmp_path: Path) -> None:
    folder = build_tiny_bundle(tmp_path / "tampered")
    with (folder / "model.onnx").open("ab") as file:
        file.write(b"x")
    code, said = exit_of(stream, "--bundle", str(folder))
    assert code == 78
    assert "model.onnx" in said


def test_a_taken_port_is_named(stream: Stream) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", stream.port))
        taken.listen()
        code, said = exit_of(stream)
    assert code == 73
    assert "--http-port" in said


def test_an_unknown_broker_is_given_up_after_the_bound(stream: Stream) -> None:
    code, said = exit_of(stream, "--bootstrap-servers", "127.0.0.1:1", "--broker-timeout-s", "6")
    assert code == 69
    assert "127.0.0.1:1" in said
    assert "no broker yet" in said


def test_missing_topics_are_named_with_the_remedy(stream: Stream) -> None:
    code, said = exit_of(stream, "--raw-topic", "never.made")
    assert code == 78
    assert "never.made" in said
    assert "python -m worker topics" in said


def test_a_topic_with_another_partition_count_is_refused(stream: Stream) -> None:
    other = f"{stream.worker.app_id}.three"
    names = {"raw_topic": other, "emotion_topic": f"{other}.emotion", "dead_topic": f"{other}.dead"}
    kafka = KafkaSettings(bootstrap_servers=stream.kafka.bootstrap_servers, **names)  # type: ignore[arg-type]
    create_topics(kafka, stream.worker.model_copy(update={"app_id": other}), partitions=3)
    code, said = exit_of(stream, "--dead-topic", f"{other}.dead")
    assert code == 78
    assert f"{other}.dead has 3" in said


def test_sigterm_while_waiting_for_a_broker_ends_at_once(stream: Stream) -> None:
    stream.start("--bootstrap-servers", "127.0.0.1:1")
    wait_for(lambda: "no broker yet" in stream.log.read_text(), START_BOUND_S)
    assert stream.terminate(within_s=15) == 0


def test_a_new_bundle_labels_without_a_restart_beside_a_candidate_and_an_unfit_one_does_not(
    stream: Stream, tiny_bundle: Path, tmp_path: Path
) -> None:
    link, second = tmp_path / "current", build_tiny_bundle(tmp_path / "second", seed=3, version="2")
    unfit = shutil.copytree(tiny_bundle, tmp_path / "unfit")
    (unfit / "model.onnx").write_bytes(b"cut")
    link.symlink_to(tiny_bundle)

    def lead_to(folder: Path) -> None:
        new = tmp_path / "new"
        new.symlink_to(folder)
        new.replace(link)

    def metric(name: str) -> float:
        lines = stream.page("/metrics").splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    candidate = ("--shadow-bundle", str(second), "--shadow-share", "1")
    stream.start("--bundle", str(link), "--bundle-check-s", "0.2", *candidate)
    stream.produce(tweets(40))
    stream.wait_until_counted(40)
    lead_to(unfit)
    wait_for(lambda: metric("tweet_emotions_bundles_refused_total") == 1, START_BOUND_S)
    stream.produce(tweets(40))
    stream.wait_until_counted(80)
    lead_to(second)
    wait_for(lambda: stream.get("/model")["version"] == "2", START_BOUND_S)
    stream.produce(tweets(40))
    events, _ = stream.check_exact(120)
    versions = [event["bundle"]["version"] for event in events]
    assert (versions.count("1"), versions.count("2")) == (80, 40)
    assert metric("tweet_emotions_bundle{") == 1
    wait_for(lambda: metric("tweet_emotions_shadow_compared_total") > 0, START_BOUND_S)
    assert stream.process is not None
    assert stream.process.poll() is None
    assert stream.terminate() == 0
