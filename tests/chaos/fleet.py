"""The workers of one stream: started, killed, restarted where they end by themselves, and asked all the time."""

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from tests.stream import PARTITIONS, START_BOUND_S, Stream, wait_for
from worker.settings import KafkaSettings, WorkerSettings

_ASSIGNED = re.compile(r'"generation": ?(\d+).*"partitions assigned"|"partitions assigned".*"generation": ?(\d+)')
"""What a worker logs at the end of each rebalance."""
NOT_YET = 503
"""A worker that has not reached its brokers."""


class Member:
    """One place for a worker: its folder, its port, and the process that is there now."""

    def __init__(self, number: int, kafka: KafkaSettings, worker: WorkerSettings, folder: Path) -> None:
        self.name = f"worker-{number}"
        self.data_dir = folder / self.name
        self.stream = Stream(kafka, worker, folder / f"{self.name}.log")
        self._bundle = folder / f"{self.name}-bundle"
        self._least: int | None = None
        self.answers = 0
        """How often it told the counts."""

    def start(self, bundle: Path) -> None:
        self._least = None
        self.lead_to(bundle)
        self.stream.start(
            WORKER_BUNDLE=str(self._bundle),
            WORKER_BUNDLE_CHECK_S="0.5",
            WORKER_DATA_DIR=str(self.data_dir),
            WORKER_LOG_FORMAT="json",
            WORKER_THREADS="1",
        )

    def lead_to(self, bundle: Path) -> None:
        """Make the link that the worker follows lead to a bundle, in one step."""
        new = self._bundle.with_suffix(".new")
        new.symlink_to(bundle.resolve())
        new.replace(self._bundle)

    @property
    def leads_to(self) -> Path:
        return self._bundle.resolve()

    @property
    def pid(self) -> int | None:
        return None if self.stream.process is None else self.stream.process.pid

    def ended_with(self) -> int | None:
        """Exit code of a process that ended by itself."""
        return None if self.stream.process is None else self.stream.process.poll()

    def is_ready(self) -> bool:
        try:
            return bool(self.stream.get("/readyz")["ready"])
        except OSError:
            return False

    def version(self) -> str | None:
        """Of the bundle that labels; None while it starts."""
        try:
            return str(self.stream.get("/model")["version"])
        except OSError:
            return None

    def look(self, window: str) -> str | None:
        """Ask for the counts; what is wrong with the answer, else None."""
        try:
            answer = self.stream.get(f"/counts?window={window}")
        except HTTPError as error:
            return None if error.code == NOT_YET else f"{self.name} answered {error.code}"
        except OSError:
            return None  # starting or stopping
        self.answers += 1
        partitions = [partition["partition"] for partition in answer["partitions"]]
        if partitions != list(range(PARTITIONS)):
            return f"{self.name} answered for partitions {partitions} only"
        total = answer["total"] + answer["dead"]
        if self._least is not None and total < self._least:
            return f"{self.name} went back from {self._least} to {total} tweets"
        if answer["complete"] or self._least is not None:
            self._least = total
        return None


def memory_mb(pid: int | None) -> float:
    """Resident memory of a process as the kernel tells it (proc(5)); 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


class Fleet:
    """Up to ``most`` workers on one stream."""

    def __init__(
        self, kafka: KafkaSettings, worker: WorkerSettings, bundles: Sequence[Path], folder: Path, most: int
    ) -> None:
        self.members = [Member(number, kafka, worker, folder) for number in range(1, most + 1)]
        self.bundles = bundles
        self.crashes: Counter[int] = Counter()
        self.excused_until = 0.0
        """Till then (monotonic) a worker may end by itself: a broker was broken."""
        self.wrong: list[str] = []
        self.memory: list[tuple[float, float]] = []
        """(monotonic seconds, MB of the largest worker), several times a second."""
        self._window = f"{worker.retention_s:.0f}s"

    @property
    def running(self) -> list[Member]:
        return [member for member in self.members if member.stream.process is not None]

    def start(self, member: Member, bundle: int) -> None:
        member.start(self.bundles[bundle % len(self.bundles)])

    def swap(self, member: Member, bundle: int) -> None:
        """Lead to a bundle that is not there now."""
        others = [folder for folder in self.bundles if folder.resolve() != member.leads_to]
        member.lead_to(others[bundle % len(others)])

    def supervise(self) -> None:
        """Start again what ended by itself, as a supervisor does; note the exit code."""
        self.memory.append((time.monotonic(), max((memory_mb(member.pid) for member in self.running), default=0.0)))
        for member in self.running:
            code = member.ended_with()
            if code is not None:
                self.crashes[code] += 1
                if time.monotonic() > self.excused_until:
                    self.wrong.append(f"{member.name} ended by itself with {code}")
                self.start(member, 0)

    def look(self) -> None:
        """Ask every worker for its counts, and note what is wrong with an answer."""
        self.wrong += [wrong for member in self.running if (wrong := member.look(self._window))]

    def terminate(self, member: Member, *, must_be_clean: bool) -> None:
        code = member.stream.terminate()
        if must_be_clean and code != 0:
            self.wrong.append(f"{member.name} ended with {code} at SIGTERM")

    def wait_until_ready(self) -> None:
        def all_ready() -> bool:
            self.supervise()
            return all(member.is_ready() for member in self.running)

        wait_for(all_ready, 2 * START_BOUND_S, lambda: "a worker does not become ready")

    def rebalances(self) -> int:
        """How many generations of the group gave partitions to anybody, from the logs."""
        logs = [member.stream.log for member in self.members if member.stream.log.exists()]
        found = [match for log in logs for match in _ASSIGNED.finditer(log.read_text(errors="replace"))]
        return len({match[1] or match[2] for match in found})

    def counts(self, member: Member, window: str, at: str | None = None) -> dict[str, Any]:
        return member.stream.get(f"/counts?window={window}" + (f"&at={at}" if at else ""))

    def end(self) -> None:
        for member in self.running:
            member.stream.kill()


def freeze(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)


def thaw(pid: int) -> None:
    os.kill(pid, signal.SIGCONT)
