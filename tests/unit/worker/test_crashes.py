"""A tweet that kills the process: what a worker concludes from the note that the last one left."""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest

from schemas.dead_letter import DeadLetter, Reason
from worker.crashes import ALONE_AFTER, DEAD_AFTER, CrashJournal, Place
from worker.inference.engine import Engine, load_engine
from worker.labelling import Rules, label_batch
from worker.records import Counted, Outcome, RawRecord

TOPIC = "raw"


class Killed(BaseException):
    """Stands for the end of the process: nothing that runs after it may have an effect on the folder."""


@pytest.fixture(scope="module")
def engine(tiny_bundle: Path) -> Engine:
    return load_engine(tiny_bundle, threads=1)


def record(partition: int, offset: int) -> RawRecord:
    return RawRecord(TOPIC, partition, offset, None, b"so happy", (), 1_800_000_000.0)


class Worker:
    """One process on a folder: labels batches until a poison tweet ends it."""

    def __init__(self, folder: Path, engine: Engine, poison: set[Place]) -> None:
        self.batches: list[list[Place]] = []
        self._folder, self._engine, self._poison = folder, engine, poison
        self._note = folder / "labelling.json"
        self.moves = 0
        self.journal = CrashJournal(folder, TOPIC, self._label, moved=self._moved)

    def _moved(self) -> None:
        self.moves += 1

    def _label(
        self, records: Sequence[RawRecord], engine: Engine, rules: Rules, published: Mapping[Place, Counted]
    ) -> list[Outcome]:
        places = [(one.partition, one.offset) for one in records]
        self.batches.append(places)
        if self._poison & set(places):
            self.left_behind = self._note.read_bytes()
            raise Killed
        return label_batch(records, engine, rules, published)

    def work(self, *places: Place, published: Mapping[Place, Counted] | None = None) -> list[Outcome] | None:
        """None where the process dies."""
        try:
            records = [record(*place) for place in places]
            return self.journal.label(records, self._engine, Rules(), published or {})
        except Killed:
            self.journal.close()
            self._note.write_bytes(self.left_behind)
            return None


BATCH: tuple[Place, ...] = ((0, 5), (0, 6), (1, 9), (0, 7), (1, 10))


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


class Together:
    """A label function for several threads: tells who is in it, and lets nobody go before it is told to."""

    def __init__(self) -> None:
        self.inside: set[Place] = set()
        self.most_inside = 0
        self.changed, self.let_go = threading.Condition(), threading.Event()

    def __call__(
        self, records: Sequence[RawRecord], engine: Engine, rules: Rules, published: Mapping[Place, Counted]
    ) -> list[Outcome]:
        with self.changed:
            self.inside |= {(one.partition, one.offset) for one in records}
            self.most_inside = max(self.most_inside, len(self.inside))
            self.changed.notify_all()
        self.let_go.wait(30)
        with self.changed:
            self.inside -= {(one.partition, one.offset) for one in records}
        return label_batch(records, engine, rules, published)

    def wait_for(self, places: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.inside) == places, 30)


def test_all_that_is_labelled_at_once_is_noted(tmp_path: Path, engine: Engine) -> None:
    together = Together()
    journal = CrashJournal(tmp_path, TOPIC, together)
    with ThreadPoolExecutor(2) as threads:
        work = [threads.submit(journal.label, [record(*place)], engine, Rules(), {}) for place in BATCH[:2]]
        together.wait_for(2)
        left_behind = (tmp_path / "labelling.json").read_bytes()
        together.let_go.set()
        for one in work:
            one.result(30)
    assert Worker(tmp_path, engine, set()).journal._crashes == {}
    (tmp_path / "labelling.json").write_bytes(left_behind)
    assert Worker(tmp_path, engine, set()).journal._crashes == dict.fromkeys(BATCH[:2], 1)


def label_at_once(journal: CrashJournal, together: Together, engine: Engine) -> None:
    """Two batches that hold no suspect; fails if one waits for the other."""
    with ThreadPoolExecutor(2) as threads:
        work = [threads.submit(journal.label, [record(*place)], engine, Rules(), {}) for place in ((3, 1), (3, 2))]
        together.wait_for(2)
        together.let_go.set()
        for one in work:
            one.result(30)


@pytest.mark.parametrize("first", [(0, 5), (3, 1)], ids=["the suspect first", "the other first"])
def test_a_batch_with_a_suspect_is_labelled_while_no_other_is(tmp_path: Path, engine: Engine, first: Place) -> None:
    for _ in range(ALONE_AFTER):
        assert Worker(tmp_path, engine, {(0, 5)}).work(*BATCH) is None
    together = Together()
    journal = CrashJournal(tmp_path, TOPIC, together)
    second = (3, 1) if first == (0, 5) else (0, 5)
    with ThreadPoolExecutor(2) as threads:
        work = [threads.submit(journal.label, [record(*first)], engine, Rules(), {})]
        together.wait_for(1)
        work.append(threads.submit(journal.label, [record(*second)], engine, Rules(), {}))
        with together.changed:
            assert not together.changed.wait_for(lambda: len(together.inside) == 2, 0.3)
        together.let_go.set()
        for one in work:
            one.result(30)
    assert together.most_inside == 1


class StepByStep:
    """A label function that tells who came in, in their order, and lets each go when told to."""

    def __init__(self, places: Sequence[Place]) -> None:
        self.entered: list[Place] = []
        self.changed = threading.Condition()
        self.let_go = {place: threading.Event() for place in places}

    def __call__(
        self, records: Sequence[RawRecord], engine: Engine, rules: Rules, published: Mapping[Place, Counted]
    ) -> list[Outcome]:
        place = (records[0].partition, records[0].offset)
        with self.changed:
            self.entered.append(place)
            self.changed.notify_all()
        assert self.let_go[place].wait(30)
        return label_batch(records, engine, rules, published)

    def have_entered(self, *places: Place, within_s: float = 30) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: self.entered == list(places), within_s)


def test_of_two_batches_with_suspects_one_is_done_before_the_other_begins(tmp_path: Path, engine: Engine) -> None:
    for _ in range(ALONE_AFTER):
        assert Worker(tmp_path, engine, {(0, 5)}).work(*BATCH) is None
    step = StepByStep(BATCH)
    journal = CrashJournal(tmp_path, TOPIC, step)
    with ThreadPoolExecutor(2) as threads:
        work = [threads.submit(journal.label, [record(0, 5), record(0, 6)], engine, Rules(), {})]
        assert step.have_entered((0, 5))
        work.append(threads.submit(journal.label, [record(1, 9)], engine, Rules(), {}))
        assert not step.have_entered((0, 5), (1, 9), within_s=0.3)
        step.let_go[0, 5].set()
        assert step.have_entered((0, 5), (0, 6))
        for place in BATCH:
            step.let_go[place].set()
        for one in work:
            one.result(30)
    assert step.entered == [(0, 5), (0, 6), (1, 9)]


def test_suspects_whose_partition_is_another_worker_s_now_slow_nothing_down(tmp_path: Path, engine: Engine) -> None:
    assert Worker(tmp_path, engine, {(0, 5)}).work(*BATCH) is None
    together = Together()
    journal = CrashJournal(tmp_path, TOPIC, together)
    label_at_once(journal, together, engine)


def test_once_the_guilty_one_is_known_other_batches_are_labelled_at_once_again(tmp_path: Path, engine: Engine) -> None:
    for _ in range(DEAD_AFTER):
        assert Worker(tmp_path, engine, {(0, 5)}).work((0, 5)) is None
    together = Together()
    journal = CrashJournal(tmp_path, TOPIC, together)
    assert journal._guilty == {(0, 5)}
    label_at_once(journal, together, engine)


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
