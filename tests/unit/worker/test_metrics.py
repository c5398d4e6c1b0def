from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from schemas.counts import PartitionProgress
from schemas.dead_letter import Reason
from worker.metrics import Metrics
from worker.records import Counted, Outcome


def lines(metrics: Metrics) -> set[str]:
    return set(generate_latest(metrics.registry).decode().splitlines())


def test_each_outcome_is_counted_as_what_it_is() -> None:
    metrics = Metrics()
    joy, known = Outcome(0, 0, Counted(0.0, 1, 0.9), None, b"{}"), Outcome(0, 1, Counted(0.0, 1, 0.9), None, None)
    letter = Outcome(0, 2, Counted(0.0, None), None, b"{}", Reason.NO_WORDS)
    metrics.batch([joy, known, letter], 0.01, 0.01)
    assert lines(metrics) >= {
        'tweet_emotions_labelled_total{label="joy"} 1.0',
        'tweet_emotions_labelled_total{label="fear"} 0.0',
        "tweet_emotions_already_published_total 1.0",
        'tweet_emotions_dead_lettered_total{reason="no_words"} 1.0',
        "tweet_emotions_batch_tweets_sum 3.0",
        "tweet_emotions_confidence_total 0.9",
        "tweet_emotions_abstained_total 0.0",
    }
    unsure = Outcome(0, 3, Counted(0.0, 4, 0.25, abstained=True), None, b"{}")
    metrics.batch([unsure], 0.01, 0.01)
    assert lines(metrics) >= {"tweet_emotions_confidence_total 1.15", "tweet_emotions_abstained_total 1.0"}


def test_only_the_bundle_that_labels_now_is_told() -> None:
    metrics = Metrics()
    for version in ("1", "2"):
        metrics.bundle("tiny", version, "fp32")
    told = [line for line in lines(metrics) if line.startswith("tweet_emotions_bundle{")]
    assert told == ['tweet_emotions_bundle{name="tiny",precision="fp32",version="2"} 1.0']


def test_what_can_be_counted_is_there_from_the_start_and_of_a_bounded_number() -> None:
    families = {
        family.name: family for family in text_string_to_metric_families(generate_latest(Metrics().registry).decode())
    }
    letters = families["tweet_emotions_dead_lettered"]
    assert letters.type == "counter"
    assert {(sample.name, sample.labels["reason"], sample.value) for sample in letters.samples} == {
        ("tweet_emotions_dead_lettered_total", reason.value, 0.0) for reason in Reason
    }
    assert all(family.documentation for family in families.values())
    for name, family in families.items():
        assert family.type != "histogram" or name.endswith(("_seconds", "_tweets")), "a unit in each name"


def test_a_lag_that_is_not_known_any_more_is_no_number() -> None:
    metrics = Metrics()
    for lag in (500, None):
        metrics.progress([PartitionProgress(partition=3, counted_offset=7, lag_messages=lag, late_s=2.5, stale=False)])
    assert lines(metrics) >= {
        'tweet_emotions_lag_messages{partition="3"} NaN',
        "tweet_emotions_counts_late_seconds 2.5",
    }
