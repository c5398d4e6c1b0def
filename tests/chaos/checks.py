"""From what stands on the topics and what the workers answer to what is wrong. Pure."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.chaos.ledger import DEAD, Ledger, Place, Written

_ROUNDING = 1e-6
"""Sums of confidences are added in another order here."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Lost and repeated tweets, and outcomes that should not be."""

    lost: list[Place]
    foreign: list[Place]
    """Outcomes of tweets that nobody produced."""
    repeated_alone: list[Place]
    """Repeats of tweets that stood there before a second worker came: none are allowed."""
    repeated_together: list[Place]
    misplaced: int
    """Outcomes in another partition than their tweet's."""
    out_of_order: int
    """First outcomes that stand after one of a later tweet of their partition."""


def check_outcomes(ledger: Ledger, alone_until: Mapping[int, int]) -> Outcomes:
    """``alone_until``: partition -> the raw offset at which more than one worker ran."""
    found = ledger.by_place()
    repeated = [place for place, outcomes in found.items() for _ in outcomes[1:]]
    return Outcomes(
        lost=sorted(set(ledger.raw) - set(found)),
        foreign=sorted(set(found) - set(ledger.raw)),
        repeated_alone=[place for place in repeated if place[1] < alone_until.get(place[0], 0)],
        repeated_together=[place for place in repeated if place[1] >= alone_until.get(place[0], 0)],
        misplaced=sum(written.stands_in != written.place[0] for written in (*ledger.events, *ledger.letters)),
        out_of_order=_out_of_order(ledger.events) + _out_of_order(ledger.letters),
    )


def _out_of_order(written: list[Written]) -> int:
    highest: dict[int, int] = {}
    seen: set[Place] = set()
    wrong = 0
    for one in written:
        if one.place not in seen:
            seen.add(one.place)
            partition, offset = one.place
            wrong += offset < highest.get(partition, -1)
            highest[partition] = max(highest.get(partition, -1), offset)
    return wrong


class Expected:
    """The counts of each bucket that follow from the distinct outcomes.

    A tweet that stands twice with different labels (two bundles across a rebalance) may be counted as either.
    """

    def __init__(self, ledger: Ledger, bucket_s: float) -> None:
        self._bucket_s = bucket_s
        self.certain: dict[float, Counter[str]] = defaultdict(Counter)
        self.either: dict[float, list[set[str]]] = defaultdict(list)
        self.confidence: dict[tuple[float, str], float] = defaultdict(float)
        """Bucket and label -> sum."""
        self.abstained: Counter[float] = Counter()
        self.unsure: set[float] = set()
        """Buckets with a tweet whose repeats do not agree how sure they are."""
        for outcomes in ledger.by_place().values():
            labels = {outcome.label for outcome in outcomes}
            bucket = self.bucket(outcomes[0].event_time_s)
            if len(labels) == 1:
                self.certain[bucket][labels.pop()] += 1
            else:
                self.either[bucket].append(labels)
            if len({(outcome.label, outcome.confidence, outcome.abstained) for outcome in outcomes}) > 1:
                self.unsure.add(bucket)
            self.confidence[bucket, outcomes[0].label] += outcomes[0].confidence
            self.abstained[bucket] += outcomes[0].abstained

    def bucket(self, moment_s: float) -> float:
        return moment_s - moment_s % self._bucket_s

    @property
    def buckets(self) -> list[float]:
        return sorted({*self.certain, *self.either})

    def errors(self, answer: Mapping[str, Any], buckets: list[float]) -> list[str]:
        """What is wrong with an answer to ``/counts`` for exactly these buckets."""
        certain = sum((self.certain[bucket] for bucket in buckets), Counter[str]())
        either = [labels for bucket in buckets for labels in self.either[bucket]]
        given = {**answer["counts"], DEAD: answer["dead"]}
        wrong = []
        for label, count in given.items():
            least = certain[label]
            most = least + sum(label in labels for labels in either)
            if not least <= count <= most:
                wrong.append(f"{label} in {answer['since']}+{answer['window_s']:.0f} s: {count}, right is {least}")
        total, right = sum(given.values()), certain.total() + len(either)
        if total != right:
            wrong.append(f"all in {answer['since']}+{answer['window_s']:.0f} s: {total}, right is {right}")
        return wrong or self._errors_of_confidence(answer, buckets)

    def _errors_of_confidence(self, answer: Mapping[str, Any], buckets: list[float]) -> list[str]:
        if self.unsure & set(buckets):
            return []
        wrong = []
        for label, mean in answer["mean_confidence"].items():
            count = answer["counts"][label]
            right = sum(self.confidence[bucket, label] for bucket in buckets) / count if count else None
            if (mean is None) != (right is None) or abs((mean or 0.0) - (right or 0.0)) > _ROUNDING:
                wrong.append(f"{label} in {answer['since']}+{answer['window_s']:.0f} s: {mean} sure, right is {right}")
        if (abstained := sum(self.abstained[bucket] for bucket in buckets)) != answer["abstained"]:
            wrong.append(f"abstained since {answer['since']}: {answer['abstained']}, right is {abstained}")
        return wrong
