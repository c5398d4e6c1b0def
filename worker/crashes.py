"""Recognises a tweet that kills the whole process (docs/adr/0010).

Before a batch is labelled its places are noted in a file, and crossed out after it. A note that is still there when a
worker starts tells what was being labelled when the last one died. Several threads may label at once, each its batch,
but one with a suspect is labelled while no other is.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import structlog

from worker.inference.engine import Engine
from worker.labelling import Rules, killed_the_worker, label_batch
from worker.records import Counted, Outcome, RawRecord

log = structlog.get_logger("worker.crashes")

ALONE_AFTER = 2
"""After so many crashes a tweet that was in flight each time is labelled alone."""
DEAD_AFTER = 3
"""After so many crashes, alone in the last, it is not labelled any more."""
_NOTE = "labelling.json"
_SUSPECTS = "suspects.json"
_MOST_PLACES = 10_000

Place = tuple[int, int]
"""Partition and offset."""
Label = Callable[[Sequence[RawRecord], Engine, Rules, Mapping[Place, Counted]], list[Outcome]]


class CrashJournal:
    """Labels batches as `label_batch` does, and remembers over a crash what was in flight.

    A folder that cannot be written costs the recognition, never a tweet.

    Args:
        folder: this worker's own; made if need be.
        topic: the raw topic; notes of another one are forgotten.
        label: how a batch is labelled.
        clock: seconds since the epoch, for the date of a letter.
        moved: called whenever a tweet that was labelled alone is done. A batch of slow ones may take longer than the
            watchdog waits.
    """

    def __init__(
        self,
        folder: Path,
        topic: str,
        label: Label = label_batch,
        clock: Callable[[], float] = time.time,
        moved: Callable[[], None] = lambda: None,
    ) -> None:
        self._folder, self._topic, self._label, self._clock, self._moved = folder, topic, label, clock, moved
        self._crashes: Counter[Place] = Counter()
        self._guilty: set[Place] = set()
        self._note: int | None = None
        self._in_flight: list[Sequence[RawRecord]] = []
        self._changed, self._suspecting = threading.Condition(), threading.Lock()
        self._careful: int | None = None
        """The thread whose batch holds a suspect; the others wait."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._judge()
            self._note = os.open(folder / _NOTE, os.O_RDWR | os.O_CREAT, 0o644)
            self._write()
        except OSError as error:
            self._give_up(error)

    def label(
        self, records: Sequence[RawRecord], engine: Engine, rules: Rules, published: Mapping[Place, Counted]
    ) -> list[Outcome]:
        """One outcome a record, in their order. What was in flight at several crashes is labelled alone."""
        places = [(record.partition, record.offset) for record in records]
        if not any(place in self._crashes or place in self._guilty for place in places):
            return self._noted(records, engine, rules, published)
        with self._suspecting:
            with self._changed:
                self._careful = threading.get_ident()
                self._changed.wait_for(lambda: not self._in_flight)
            try:
                return self._carefully(records, engine, rules, published)
            finally:
                with self._changed:
                    self._careful = None
                    self._changed.notify_all()

    def close(self) -> None:
        """Close the note."""
        if self._note is not None:
            os.close(self._note)
            self._note = None

    def _noted(
        self, records: Sequence[RawRecord], engine: Engine, rules: Rules, published: Mapping[Place, Counted]
    ) -> list[Outcome]:
        with self._changed:
            self._changed.wait_for(lambda: self._careful in {None, threading.get_ident()})
            self._in_flight.append(records)
            self._write()
        try:
            return self._label(records, engine, rules, published)
        finally:
            with self._changed:
                self._in_flight = [batch for batch in self._in_flight if batch is not records]
                self._write()
                self._changed.notify_all()

    def _carefully(
        self, records: Sequence[RawRecord], engine: Engine, rules: Rules, published: Mapping[Place, Counted]
    ) -> list[Outcome]:
        together: list[RawRecord] = []
        outcomes: dict[Place, Outcome] = {}
        for record in records:
            place = (record.partition, record.offset)
            if place in self._guilty and place not in published:
                log.error("a tweet killed the worker again and again: dead letter", partition=place[0], offset=place[1])
                outcomes[place] = killed_the_worker(record, DEAD_AFTER, self._clock(), rules.topic_id)
            elif self._crashes[place] >= ALONE_AFTER:
                outcomes[place] = self._noted([record], engine, rules, published)[0]
                self._acquit({place})
                self._moved()
            else:
                together.append(record)
        if together:
            for outcome in self._noted(together, engine, rules, published):
                outcomes[outcome.partition, outcome.offset] = outcome
        self._acquit(set(outcomes) - self._guilty)
        return [outcomes[record.partition, record.offset] for record in records]

    def _acquit(self, survived: set[Place]) -> None:
        suspects = len(self._crashes)
        for place in survived:
            self._crashes.pop(place, None)
        if len(self._crashes) < suspects:
            self._remember()

    def _judge(self) -> None:
        """Read what was in flight when the last worker died."""
        self._recall()
        in_flight = self._read_note()
        self._crashes.update(in_flight)
        if in_flight:
            log.warning("the last worker died while it labelled", tweets=len(in_flight), places=in_flight[:5])
        if len(in_flight) == 1 and self._crashes[in_flight[0]] >= DEAD_AFTER:
            self._guilty.add(in_flight[0])
            del self._crashes[in_flight[0]]
        if in_flight:
            self._remember()

    def _read_note(self) -> list[Place]:
        content = self._read(_NOTE)
        runs = content.get("runs", []) if content.get("topic") == self._topic else []
        return [(partition, offset) for partition, first, last in runs for offset in range(first, last + 1)]

    def _recall(self) -> None:
        content = self._read(_SUSPECTS)
        if content.get("topic") == self._topic:
            self._crashes = Counter({(place[0], place[1]): place[2] for place in content["crashes"][-_MOST_PLACES:]})
            self._guilty = {(place[0], place[1]) for place in content["guilty"][-_MOST_PLACES:]}

    def _read(self, name: str) -> dict[str, Any]:
        try:
            line = (self._folder / name).read_bytes().split(b"\n", 1)[0]
            content: dict[str, Any] = orjson.loads(line) if line else {}
        except FileNotFoundError:
            return {}
        except orjson.JSONDecodeError:
            log.warning("cannot be read, and is begun anew", file=str(self._folder / name))
            return {}
        return content

    def _remember(self) -> None:
        content = {
            "topic": self._topic,
            "crashes": [(*place, crashes) for place, crashes in self._crashes.items()],
            "guilty": sorted(self._guilty),
        }
        new = self._folder / f"{_SUSPECTS}.new"
        try:
            new.write_bytes(orjson.dumps(content))
            new.replace(self._folder / _SUSPECTS)
        except OSError as error:
            self._give_up(error)

    def _write(self) -> None:
        """A crash of the process leaves what was written in the kernel's hands, so nothing is synced to disk."""
        if self._note is None:
            return
        runs = [(partition, *run) for batch in self._in_flight for partition, run in _runs(batch).items()]
        content = {"topic": self._topic, "runs": runs}
        try:
            os.pwrite(self._note, orjson.dumps(content) + b"\n", 0)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        log.warning(
            "the data folder cannot be written: a tweet that kills the worker would not be recognised; name another "
            "with --data-dir",
            folder=str(self._folder.absolute()),
            reason=error.strerror,
        )
        self.close()


def _runs(batch: Sequence[RawRecord]) -> dict[int, list[int]]:
    """First and last offset of each partition."""
    runs: dict[int, list[int]] = {}
    for record in batch:
        runs.setdefault(record.partition, [record.offset, 0])[1] = record.offset
    return runs
