"""What is done to the stream, and when: drawn from a seed, before anything runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random


class Act(StrEnum):
    KILL = "kill -9 of a worker"
    TERMINATE = "SIGTERM of a worker"
    JOIN = "a worker joins"
    LEAVE = "a worker leaves"
    BROKER_RESTART = "broker restart"
    BROKER_KILL = "kill -9 of the broker"
    BROKER_PAUSE = "broker pause"
    BROKER_AWAY = "broker away"
    BROKER_SLOW = "slow broker"
    WORKER_PAUSE = "pause of a worker"
    SWAP = "another bundle for a worker that runs"


FAULTS = (Act.BROKER_RESTART, Act.BROKER_KILL, Act.BROKER_PAUSE)
LONGEST_PAUSE_S = 9.0
"""Longer than the session timeout: some pauses make the group throw its members out."""


@dataclass(frozen=True, slots=True)
class Step:
    act: Act
    when_ready: bool
    """Wait until the workers are ready first; else the step may hit one that starts or recovers."""
    after_s: float
    member: int
    """Which of the running workers, modulo their number."""
    bundle: int
    """Which bundle a worker gets that is started, or which other one if it swaps, modulo their number."""
    lasting_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """First one worker alone, then several that come and go."""

    alone: tuple[Step, ...]
    together: tuple[Step, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        return (*self.alone, *self.together)


def draw(seed: int, kills: int, workers: int, *, broker_faults: bool, every_s: float | None = None) -> Scenario:
    """Exactly ``kills`` workers are killed; ``every_s`` fixes the time between steps, which is else random."""
    random = Random(seed)
    alone_kills = kills if workers == 1 else (kills + 1) // 2
    alone = tuple(_steps(random, alone_kills, [Act.TERMINATE, Act.SWAP], broker_faults, every_s))
    if workers == 1:
        return Scenario(alone, ())
    others = [Act.TERMINATE, Act.JOIN, Act.SWAP, Act.WORKER_PAUSE, Act.JOIN, Act.LEAVE]
    return Scenario(alone, tuple(_steps(random, kills - alone_kills, others, broker_faults, every_s)))


def _steps(random: Random, kills: int, others: list[Act], broker_faults: bool, every_s: float | None) -> Iterator[Step]:
    acts = [Act.KILL] * kills
    acts += [others[index % len(others)] for index in range(max(len(others), kills // 2))]
    if broker_faults:
        acts += [FAULTS[index % len(FAULTS)] for index in range(max(len(FAULTS), kills // 4))]
    random.shuffle(acts)
    for act in acts:
        yield Step(
            act,
            when_ready=every_s is None and random.random() < 0.7,
            after_s=random.uniform(0.0, 3.0) if every_s is None else every_s,
            member=random.randrange(1000),
            bundle=random.randrange(1000),
            lasting_s=random.uniform(1.0, LONGEST_PAUSE_S),
        )
