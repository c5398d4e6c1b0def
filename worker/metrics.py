"""What Prometheus sees of the worker; every metric's name and meaning stands here."""

from collections import Counter as Counts
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from schemas.counts import PartitionProgress
from schemas.emotions import EMOTIONS
from worker.records import Outcome

_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The worker's own registry, so that two workers in one process do not share counters."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._tweets = Counter(
            "tweets_labelled", "Tweets labelled and counted by this process.", ["label"], registry=self.registry
        )
        self._dead = Counter(
            "tweets_dead_lettered", "Dead letters written by this process.", ["reason"], registry=self.registry
        )
        self._known = Counter(
            "tweets_already_published", "Outcomes found on the topics after a restart.", registry=self.registry
        )
        self._batch_size = Histogram("batch_tweets", "Tweets in a batch.", buckets=_BATCH_SIZES, registry=self.registry)
        self._label_s = Histogram(
            "batch_label_seconds", "Decode, clean and score of a batch.", buckets=_SECONDS, registry=self.registry
        )
        self._publish_s = Histogram(
            "batch_publish_seconds", "Publish of a batch until confirmed.", buckets=_SECONDS, registry=self.registry
        )
        self._lag = Gauge(
            "partition_lag_messages", "Raw records not counted yet, all workers.", ["partition"], registry=self.registry
        )
        self._late = Gauge(
            "counts_late_seconds", "How late the slowest partition's counts are.", registry=self.registry
        )
        for label in EMOTIONS:
            self._tweets.labels(label)

    def batch(self, outcomes: list[Outcome], label_s: float, publish_s: float) -> None:
        """Note one finished batch."""
        self._batch_size.observe(len(outcomes))
        self._label_s.observe(label_s)
        self._publish_s.observe(publish_s)
        known, dead, labels = 0, Counts[str](), Counts[int]()
        for outcome in outcomes:
            if outcome.value is None:
                known += 1
            elif outcome.counted.label is None:
                dead[outcome.reason or "unknown"] += 1
            else:
                labels[outcome.counted.label] += 1
        if known:
            self._known.inc(known)
        for reason, tweets in dead.items():
            self._dead.labels(reason).inc(tweets)
        for label, tweets in labels.items():
            self._tweets.labels(EMOTIONS[label]).inc(tweets)

    def progress(self, partitions: Iterable[PartitionProgress]) -> None:
        """Refresh the lag gauges."""
        late_s = 0.0
        for partition in partitions:
            late_s = max(late_s, partition.late_s)
            if partition.lag_messages is not None:
                self._lag.labels(str(partition.partition)).set(partition.lag_messages)
        self._late.set(late_s)
