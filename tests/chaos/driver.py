"""Runs a scenario against a broker and checks what it left behind."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.chaos.answers import wrong_answers
from tests.chaos.checks import Expected, check_outcomes
from tests.chaos.fleet import Fleet, Member, freeze, thaw
from tests.chaos.ledger import Ledger, next_record, read_all, read_ledger
from tests.chaos.load import Load
from tests.chaos.report import Report
from tests.chaos.scenario import Act, Scenario, Step
from tests.stream import wait_for
from worker.brokers import LocalBroker
from worker.inference.engine import Engine, load_engine
from worker.settings import KafkaSettings, WorkerSettings

_LOOK_EVERY_S = 0.5
_COUNTED_BOUND_S = 300.0
_BROKER_HEALS_S = 150.0
"""So long after the broker was broken a worker may still end by itself (its delivery times out, it is restarted)."""
_SWAP_BOUND_S = 60.0
_PULSE_S = 0.4
"""So long a slow broker stands still, then works, again and again."""
_ROLLING = ("1m", "5m", "1h")


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the scenario is played."""

    broker: LocalBroker
    kafka: KafkaSettings
    worker: WorkerSettings
    bundles: tuple[Path, ...]
    folder: Path
    console: Console


class Driver:
    """Plays one scenario."""

    def __init__(self, stage: Stage, scenario: Scenario, load: Load, seed: int, workers: int) -> None:
        self._stage, self._scenario, self._load, self._seed = stage, scenario, load, seed
        self._fleet = Fleet(stage.kafka, stage.worker, stage.bundles, stage.folder, workers)
        self._acts: Counter[str] = Counter()
        self._alone_until: dict[int, int] = {}
        self._started = time.monotonic()

    def run(self) -> Report:
        self._load.start()
        try:
            self._fleet.start(self._fleet.members[0], 0)
            for step in self._scenario.alone:
                self._play(step)
            self._end_of_being_alone()
            for step in self._scenario.together:
                self._play(step)
            tweets = self._load.finish()
            self._wait_until_counted(tweets)
            return self._report()
        finally:
            self._load.abandon()
            self._fleet.end()

    def _play(self, step: Step) -> None:
        if step.when_ready:
            self._fleet.wait_until_ready()
        self._watch(step.after_s)
        self._say(step)
        self._acts[step.act] += 1
        running = self._fleet.running
        member = running[step.member % len(running)]
        match step.act:
            case Act.KILL:
                self._kill(member, step)
                self._fleet.start(member, step.bundle)
            case Act.TERMINATE:
                self._fleet.terminate(member, must_be_clean=member.is_ready())
                self._fleet.start(member, step.bundle)
            case Act.SWAP:
                self._swap(member, step.bundle)
            case Act.JOIN:
                idle = [one for one in self._fleet.members if one not in running]
                if idle:
                    self._fleet.start(idle[0], step.bundle)
            case Act.WORKER_PAUSE:
                self._pause(member.pid or 0, step.lasting_s)
            case Act.LEAVE:
                if len(running) > 1:
                    self._fleet.terminate(member, must_be_clean=member.is_ready())
            case _:
                self._break_broker(step)

    def _kill(self, member: Member, step: Step) -> None:
        """A worker that is ready dies as soon as an event or a row of the counts can be read; others at any moment.

        Between those lies the moment in which a batch is published and not counted.
        """
        if not step.when_ready:
            member.stream.kill()
            return
        kafka, worker = self._stage.kafka, self._stage.worker
        topic = kafka.emotion_topic if step.member % 2 else worker.changelog_topic
        with next_record(kafka, topic):
            member.stream.kill()

    def _swap(self, member: Member, bundle: int) -> None:
        """While it labels: a worker that only starts would begin with the other bundle."""
        self._fleet.wait_until_ready()
        before = member.version()
        self._fleet.swap(member, bundle)
        until = time.monotonic() + _SWAP_BOUND_S
        while (served := member.version()) == before and time.monotonic() < until:
            self._watch(_LOOK_EVERY_S)
        self._watch(_LOOK_EVERY_S)
        if served == before and time.monotonic() > self._fleet.excused_until:
            self._fleet.wrong.append(f"{member.name} keeps bundle {before}")

    def _break_broker(self, step: Step) -> None:
        broker = self._stage.broker
        self._fleet.excused_until = time.monotonic() + _BROKER_HEALS_S
        match step.act:
            case Act.BROKER_PAUSE:
                self._pause(broker.pid, step.lasting_s)
            case Act.BROKER_SLOW:
                until = time.monotonic() + step.lasting_s
                while time.monotonic() < until:
                    self._pause(broker.pid, _PULSE_S)
                    self._watch(_PULSE_S)
            case Act.BROKER_AWAY:
                broker.stop()
                self._watch(step.lasting_s)
                broker.start()
            case Act.BROKER_KILL:
                broker.kill()
                broker.start()
            case _:
                broker.stop()
                broker.start()

    def _pause(self, pid: int, lasting_s: float) -> None:
        freeze(pid)
        try:
            self._watch(lasting_s)
        finally:
            thaw(pid)

    def _say(self, step: Step) -> None:
        running = ", ".join(member.name for member in self._fleet.running)
        self._stage.console.print(
            f"{time.monotonic() - self._started:6.1f} s  {step.act}  ({running}; {self._load.confirmed} produced)"
        )

    def _watch(self, seconds: float) -> None:
        """Let it run, supervised and asked all the time."""
        until = time.monotonic() + seconds
        while (left_s := until - time.monotonic()) > 0:
            self._fleet.supervise()
            self._fleet.look()
            time.sleep(min(_LOOK_EVERY_S, max(left_s, 0.0)))

    def _end_of_being_alone(self) -> None:
        """From here on a repeat may be the work of two workers."""
        self._load.hold()
        self._wait_until_counted(self._load.confirmed)
        for message in read_all(self._stage.kafka, self._stage.kafka.raw_topic):
            partition, offset = message.partition() or 0, message.offset() or 0
            self._alone_until[partition] = max(self._alone_until.get(partition, 0), offset + 1)
        self._load.go_on()

    def _wait_until_counted(self, tweets: int) -> None:
        """Every running worker must come to know of all tweets; if not, what is missing is still reported."""

        def all_counted() -> bool:
            self._fleet.supervise()
            self._fleet.look()
            return all(self._total(index) >= tweets for index in range(len(self._fleet.running)))

        try:
            wait_for(all_counted, _COUNTED_BOUND_S, lambda: f"not all of {tweets} were counted")
        except AssertionError as error:
            self._fleet.wrong.append(str(error))

    def _total(self, index: int) -> int:
        answer = self._fleet.counts(self._fleet.running[index], f"{self._stage.worker.retention_s:.0f}s")
        return int(answer["total"] + answer["dead"])

    def _report(self) -> Report:
        ledger = read_ledger(self._stage.kafka)
        errors, windows = self._count_errors(ledger)
        rebalances = self._fleet.rebalances()
        return Report(
            seed=self._seed,
            took_s=time.monotonic() - self._started,
            tweets=len(ledger.raw),
            acts=dict(self._acts),
            crashes=dict(self._fleet.crashes),
            rebalances=rebalances,
            outcomes=check_outcomes(ledger, self._alone_until),
            repeats_bound=rebalances * self._stage.worker.max_batch,
            count_errors=tuple(errors),
            windows_checked=windows,
            wrong_outcomes=tuple(wrong_answers(ledger, self._engines())),
            answers=sum(member.answers for member in self._fleet.members),
            wrong=tuple(self._fleet.wrong),
            memory_mb=self._memory_by_tenth(),
        )

    def _engines(self) -> dict[str, Engine]:
        """By the version of their bundle; what the workers should have answered."""
        engines = [load_engine(bundle, threads=1) for bundle in self._stage.bundles]
        return {engine.manifest.version: engine for engine in engines}

    def _memory_by_tenth(self) -> tuple[float, ...]:
        tenth_s = (time.monotonic() - self._started) / 10
        largest = [0.0] * 10
        for moment, mb in self._fleet.memory:
            index = min(9, int((moment - self._started) / tenth_s))
            largest[index] = max(largest[index], mb)
        return tuple(largest)

    def _count_errors(self, ledger: Ledger) -> tuple[list[str], int]:
        """Ask every worker for every bucket and for rolling windows."""
        bucket_s = self._stage.worker.bucket_s
        expected = Expected(ledger, bucket_s)
        errors: list[str] = []
        asked = 0
        for member in self._fleet.running:
            try:
                for moment_s, answer in self._asked(member, expected.buckets):
                    first = moment_s - answer["window_s"] + bucket_s
                    inside = [bucket for bucket in expected.buckets if first <= bucket <= moment_s]
                    errors += [f"{member.name}: {wrong}" for wrong in expected.errors(answer, inside)]
                    asked += 1
            except OSError as error:
                errors.append(f"{member.name} does not answer: {error}")
        return errors, asked

    def _asked(self, member: Member, buckets: list[float]) -> Iterator[tuple[float, dict[str, Any]]]:
        """Start of its last bucket and answer of each window."""
        for moment_s in buckets:
            at = datetime.fromtimestamp(moment_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            for window in (f"{self._stage.worker.bucket_s:.0f}s", *_ROLLING):
                yield moment_s, self._fleet.counts(member, window, at)
