"""Medians with their spread, from runs that follow a warm-up."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of several runs, and the least and the greatest of them."""

    median: float
    least: float
    greatest: float
    runs: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarise at least one value."""
        return cls(median(values), min(values), max(values), len(values))


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity."""

    what: str
    unit: str
    spread: Spread


def short(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


class Cost(NamedTuple):
    """What one call took."""

    seconds: float
    cpu_s: float
    """Of all threads; on a busy machine it tells more than the clock."""


def rounds(works: Sequence[Callable[[], object]], runs: int) -> list[list[Cost]]:
    """Costs of each work in ``runs`` rounds in which all take turns, after one that warms up."""
    costs = [[_cost(work) for work in works] for _ in range(runs + 1)][1:]
    return [list(of_work) for of_work in zip(*costs, strict=True)]


def _cost(work: Callable[[], object]) -> Cost:
    began = time.process_time()
    return Cost(seconds(work), time.process_time() - began)


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(share * 1_000_000) * len(ordered) // 1_000_000) - 1)]
