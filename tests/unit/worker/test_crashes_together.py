"""Batches that are labelled at once, and suspects among them, which are labelled while nothing else is."""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.crashing import BATCH, TOPIC, Worker, record
from worker.crashes import ALONE_AFTER, DEAD_AFTER, CrashJournal, Place
from worker.inference.engine import Engine, load_engine
from worker.labelling import Rules, label_batch
from worker.records import Counted, Outcome, RawRecord


@pytest.fixture(scope="module")
def engine(tiny_bundle: Path) -> Engine:
    return load_engine(tiny_bundle, threads=1)


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
