"""A worker that dies of a tweet, as far as its crash journal is concerned."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from worker.crashes import CrashJournal, Place
from worker.inference.engine import Engine
from worker.labelling import Rules, label_batch
from worker.records import Counted, Outcome, RawRecord

TOPIC = "raw"


class Killed(BaseException):
    """Stands for the end of the process: nothing that runs after it may have an effect on the folder."""


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
