"""A tweet that kills the process: what a worker concludes from the note that the last one left."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from schemas.dead_letter import DeadLetter, Reason
from tests.crashing import BATCH, TOPIC, Worker, record
from worker.crashes import ALONE_AFTER, DEAD_AFTER, CrashJournal, Place
from worker.inference.engine import Engine, load_engine
from worker.labelling import Rules, label_batch
from worker.records import Counted, Outcome, RawRecord


@pytest.fixture(scope="module")
def engine(tiny_bundle: Path) -> Engine:
    return load_engine(tiny_bundle, threads=1)


def test_a_poison_tweet_is_alone_after_two_crashes_and_a_dead_letter_after_three(
    tmp_path: Path, engine: Engine
) -> None:
    poison = {(1, 9)}
    for _ in range(ALONE_AFTER):
        worker = Worker(tmp_path, engine, poison)
        assert worker.work(*BATCH) is None
        assert worker.batches == [list(BATCH)]
    worker = Worker(tmp_path, engine, poison)
    assert worker.work(*BATCH) is None
    assert worker.batches == [[(0, 5)], [(0, 6)], [(1, 9)]]
    assert worker.moves == 2, "the watchdog must not take a batch of slow tweets for one that stands still"
    successor = Worker(tmp_path, engine, poison)
    assert set(successor.journal._crashes) == {(0, 7), (1, 10)}, "who survived alone is no suspect, however it ended"
    outcomes = successor.work(*BATCH)
    assert outcomes is not None
    assert [(outcome.partition, outcome.offset) for outcome in outcomes] == list(BATCH)
    dead = [outcome for outcome in outcomes if outcome.reason]
    assert [(one.partition, one.offset, one.reason) for one in dead] == [(1, 9, Reason.KILLED_THE_WORKER)]
    assert str(DEAD_AFTER) in DeadLetter.model_validate_json(dead[0].value or b"").detail


def test_two_poison_tweets_that_take_turns_are_both_found(tmp_path: Path, engine: Engine) -> None:
    poison: set[Place] = {(0, 1), (1, 1)}
    batches: tuple[tuple[Place, ...], ...] = (((0, 0), (0, 1)), ((1, 0), (1, 1)))
    for crashes in range(10):
        first, second = batches if crashes % 2 else batches[::-1]
        worker = Worker(tmp_path, engine, poison)
        if worker.work(*first) is not None and worker.work(*second) is not None:
            break
    else:
        pytest.fail("the worker dies for ever")
    assert crashes == 2 * DEAD_AFTER


def test_whoever_survives_is_acquitted(tmp_path: Path, engine: Engine) -> None:
    assert Worker(tmp_path, engine, {(0, 5)}).work(*BATCH) is None
    healed = Worker(tmp_path, engine, set())
    assert healed.work(*BATCH) is not None
    assert healed.batches == [list(BATCH)]
    for _ in range(ALONE_AFTER):
        assert Worker(tmp_path, engine, {(0, 5)}).work(*BATCH) is None


def test_a_letter_that_was_published_before_the_crash_is_not_written_again(tmp_path: Path, engine: Engine) -> None:
    for _ in range(DEAD_AFTER):
        assert Worker(tmp_path, engine, {(0, 5)}).work((0, 5)) is None
    published = {(0, 5): Counted(1_800_000_000.0, None)}
    outcomes = Worker(tmp_path, engine, set()).work((0, 5), published=published)
    assert outcomes is not None
    assert outcomes[0].value is None


def test_an_error_that_is_no_crash_leaves_no_note(tmp_path: Path, engine: Engine) -> None:
    def fails(*_: object) -> list[Outcome]:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        CrashJournal(tmp_path, TOPIC, fails).label([record(0, 1)], engine, Rules(), {})
    assert Worker(tmp_path, engine, set()).journal._crashes == {}


@pytest.mark.parametrize("content", [b"", b"{", b'{"topic": "another", "runs": [[0, 1, 1]]}\n'])
def test_a_note_that_says_nothing_is_begun_anew(tmp_path: Path, engine: Engine, content: bytes) -> None:
    (tmp_path / "labelling.json").write_bytes(content)
    worker = Worker(tmp_path, engine, set())
    assert worker.journal._crashes == {}
    assert worker.work((0, 1)) is not None


def test_a_longer_note_before_is_overwritten(tmp_path: Path, engine: Engine) -> None:
    worker = Worker(tmp_path, engine, set())
    worker.work(*((partition, 1_000_000) for partition in range(30)))
    worker.work((0, 1))
    assert Worker(tmp_path, engine, set()).journal._crashes == {}


def test_a_folder_that_cannot_be_made_costs_no_tweet(tmp_path: Path, engine: Engine) -> None:
    (tmp_path / "file").touch()
    journal = CrashJournal(tmp_path / "file" / "data", TOPIC)
    assert len(journal.label([record(0, 1)], engine, Rules(), {})) == 1


def test_a_full_disk_costs_no_tweet(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker(tmp_path, engine, set())

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("worker.crashes.os.pwrite", full)
    outcomes = worker.work(*BATCH)
    assert outcomes is not None
    assert len(outcomes) == len(BATCH)


def test_a_batch_that_ends_leaves_the_note_of_the_other_one(tmp_path: Path, engine: Engine) -> None:
    notes: list[list[list[int]]] = []

    def label(records: Sequence[RawRecord], *others: Any) -> list[Outcome]:
        if records[0].offset == 5:
            journal.label([record(0, 6)], engine, Rules(), {})
            notes.append(orjson.loads((tmp_path / "labelling.json").read_bytes().split(b"\n")[0])["runs"])
        return label_batch(records, *others)

    journal = CrashJournal(tmp_path, TOPIC, label)
    journal.label([record(0, 5)], engine, Rules(), {})
    assert notes == [[[0, 5, 5]]]


def test_who_was_acquitted_is_no_suspect_of_the_next_worker(tmp_path: Path, engine: Engine) -> None:
    for _ in range(ALONE_AFTER):
        assert Worker(tmp_path, engine, {(0, 5)}).work(*BATCH) is None
    assert Worker(tmp_path, engine, set()).work(*BATCH) is not None
    later = Worker(tmp_path, engine, set())
    assert later.work(*BATCH) is not None
    assert later.batches == [list(BATCH)]


def test_suspects_of_another_topic_are_forgotten(tmp_path: Path, engine: Engine) -> None:
    for _ in range(ALONE_AFTER):
        assert Worker(tmp_path, engine, {(0, 5)}).work(*BATCH) is None
    CrashJournal(tmp_path, TOPIC).close()
    other = CrashJournal(tmp_path, "other")
    assert other._crashes == {}
