"""The chaos driver sees what is wrong: each kind of damage, done to a ledger that was right."""

from collections.abc import Callable
from dataclasses import replace
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from tests.chaos.checks import Expected, Outcomes, check_outcomes
from tests.chaos.fleet import Fleet, Member
from tests.chaos.ledger import DEAD, Ledger, Raw, Written
from tests.chaos.load import tweets
from tests.chaos.report import Report
from tests.chaos.scenario import Act, draw
from worker.settings import KafkaSettings, WorkerSettings

BUCKET_S = 10.0
LABELS = ("joy", "anger", "love", DEAD)


def written(partition: int, offset: int) -> Written:
    label = LABELS[offset % 4]
    return Written((partition, offset), partition, label, 1000.0 + offset, 0.0 if label == DEAD else 0.5 + offset / 100)


def right() -> Ledger:
    places = [(partition, offset) for partition in range(2) for offset in range(20)]
    outcomes = [written(*place) for place in places]
    return Ledger(
        raw=dict.fromkeys(places, Raw(None, 0.0)),
        events=[one for one in outcomes if one.label != DEAD],
        letters=[one for one in outcomes if one.label == DEAD],
    )


def lose(ledger: Ledger) -> None:
    del ledger.events[3]


def repeat(ledger: Ledger) -> None:
    ledger.letters.append(ledger.letters[0])


def swap(ledger: Ledger) -> None:
    ledger.events[3], ledger.events[4] = ledger.events[4], ledger.events[3]


def misplace(ledger: Ledger) -> None:
    one = ledger.events[-1]
    ledger.events[-1] = Written(one.place, 0, one.label, one.event_time_s)


def invent(ledger: Ledger) -> None:
    ledger.events.append(written(1, 99))


def nothing(_: Ledger) -> None:
    return


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (nothing, (0, 0, 0, 0, 0)),
        (lose, (1, 0, 0, 0, 0)),
        (repeat, (0, 1, 0, 0, 0)),
        (swap, (0, 0, 1, 0, 0)),
        (misplace, (0, 0, 0, 1, 0)),
        (invent, (0, 0, 0, 0, 1)),
    ],
)
def test_each_damage_to_the_topics_is_found(
    damage: Callable[[Ledger], None], found: tuple[int, int, int, int, int]
) -> None:
    ledger = right()
    damage(ledger)
    outcomes = check_outcomes(ledger, {0: 20, 1: 20})
    lost, repeated, foreign = len(outcomes.lost), len(outcomes.repeated_alone), len(outcomes.foreign)
    assert (lost, repeated, outcomes.out_of_order, outcomes.misplaced, foreign) == found


def test_a_repeat_of_a_tweet_from_before_the_second_worker_is_no_repeat_of_a_rebalance() -> None:
    ledger = right()
    ledger.events += [written(0, 4), written(1, 14)]
    outcomes = check_outcomes(ledger, {0: 10, 1: 10})
    assert (outcomes.repeated_alone, outcomes.repeated_together) == ([(0, 4)], [(1, 14)])


GOOD = Report(
    seed=1,
    took_s=1.0,
    tweets=1,
    acts={},
    crashes={},
    rebalances=1,
    outcomes=Outcomes([], [], [], [(0, 1)], 0, 0),
    repeats_bound=1,
    count_errors=(),
    windows_checked=1,
    wrong_outcomes=(),
    answers=1,
    wrong=(),
    memory_mb=(),
)


@pytest.mark.parametrize(
    "broken",
    [
        {"outcomes": Outcomes([(0, 1)], [], [], [], 0, 0)},
        {"outcomes": Outcomes([], [(0, 1)], [], [], 0, 0)},
        {"outcomes": Outcomes([], [], [(0, 1)], [], 0, 0)},
        {"outcomes": Outcomes([], [], [], [(0, 1), (0, 2)], 0, 0)},
        {"outcomes": Outcomes([], [], [], [], 1, 0)},
        {"outcomes": Outcomes([], [], [], [], 0, 1)},
        {"count_errors": ("joy: 5, right is 6",)},
        {"wrong_outcomes": ("tweets.raw-0-1 has probabilities that are 0.3 off",)},
        {"wrong": ("worker-1 ended with 1 at SIGTERM",)},
        {"answers": 0},
        {"windows_checked": 0},
    ],
)
def test_each_thing_that_is_broken_is_a_violation(broken: dict[str, Any]) -> None:
    assert GOOD.violations == []
    assert len(replace(GOOD, **broken).violations) == 1


@pytest.mark.parametrize(
    ("answered", "told", "answers"),
    [
        (HTTPError("/counts", 500, "", Message(), None), "worker-1 answered 500", 0),
        (HTTPError("/counts", 503, "", Message(), None), None, 0),
        (ConnectionRefusedError(), None, 0),
        ({"partitions": [{"partition": n} for n in range(4)], "total": 3, "dead": 1, "complete": True}, None, 1),
        ({"partitions": [{"partition": 0}]}, "worker-1 answered for partitions [0] only", 1),
    ],
)
def test_a_worker_that_answers_wrongly_is_told_from_one_that_is_not_there(
    tmp_path: Path, answered: Any, told: str | None, answers: int
) -> None:
    def get(_: str) -> Any:
        if isinstance(answered, Exception):
            raise answered
        return answered

    member = Member(1, KafkaSettings(), WorkerSettings(), tmp_path)
    vars(member.stream)["get"] = get
    assert (member.look("1h"), member.answers) == (told, answers)


def answer(**changes: int) -> dict[str, Any]:
    counts = {"joy": 6, "anger": 6, "love": 4, "fear": 0} | {k: v for k, v in changes.items() if k != DEAD}
    means = {"joy": 0.54, "anger": 0.55, "love": 0.54, "fear": None}
    told = {"dead": changes.get(DEAD, 4), "mean_confidence": means, "abstained": 0}
    return {"counts": counts, **told, "since": "then", "window_s": 10.0}


@pytest.mark.parametrize("changes", [{"joy": 5}, {"joy": 7}, {"joy": 7, "anger": 5}, {DEAD: 5}, {"fear": 1}])
def test_a_wrong_count_of_a_bucket_is_found(changes: dict[str, int]) -> None:
    expected = Expected(right(), BUCKET_S)
    assert expected.buckets == [1000.0, 1010.0]
    assert expected.errors(answer(), [1000.0]) == []
    assert expected.errors(answer(**changes), [1000.0])


@pytest.mark.parametrize(("label", "mean"), [("joy", 0.55), ("joy", None), ("fear", 0.5)])
def test_a_wrong_mean_confidence_is_found(label: str, mean: float | None) -> None:
    given = answer()
    given["mean_confidence"] |= {label: mean}
    assert len(Expected(right(), BUCKET_S).errors(given, [1000.0])) == 1


def test_a_wrong_number_of_unsure_tweets_is_found() -> None:
    assert len(Expected(right(), BUCKET_S).errors(answer() | {"abstained": 1}, [1000.0])) == 1


def test_a_tweet_that_stands_twice_with_two_labels_is_counted_once_as_either() -> None:
    ledger = right()
    ledger.events.append(Written((0, 0), 0, "fear", 1000.0))
    expected = Expected(ledger, BUCKET_S)
    assert expected.errors(answer(), [1000.0]) == []
    assert expected.errors(answer(joy=5, fear=1), [1000.0]) == []
    assert expected.errors(answer(fear=1), [1000.0])


@pytest.mark.parametrize(("workers", "faults"), [(1, False), (3, True)])
def test_a_scenario_is_the_same_for_a_seed_and_kills_as_often_as_asked(workers: int, faults: bool) -> None:
    scenario = draw(5, 9, workers, broker_faults=faults)
    assert scenario == draw(5, 9, workers, broker_faults=faults)
    assert scenario != draw(6, 9, workers, broker_faults=faults)
    assert sum(step.act is Act.KILL for step in scenario.steps) == 9
    assert bool(scenario.together) == (workers > 1)
    assert any(step.act is Act.BROKER_KILL for step in scenario.steps) == faults


def test_the_load_is_the_same_for_a_seed() -> None:
    assert list(tweets(3, 50)) == list(tweets(3, 50)) != list(tweets(4, 50))


def test_a_swap_leads_to_another_bundle_whatever_is_drawn(tmp_path: Path) -> None:
    bundles = [tmp_path / name for name in ("one", "other")]
    fleet = Fleet(KafkaSettings(), WorkerSettings(), bundles, tmp_path, 1)
    (member,) = fleet.members
    member.lead_to(bundles[0])
    fleet.swap(member, 0)
    assert member.leads_to == bundles[1]
    fleet.swap(member, 1)
    assert member.leads_to == bundles[0]
