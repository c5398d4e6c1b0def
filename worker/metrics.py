"""What Prometheus sees of the worker; every metric's name and meaning stands here."""

import math
from collections import Counter as Counts
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from schemas.counts import PartitionProgress
from schemas.dead_letter import Reason
from schemas.emotions import EMOTIONS
from worker.records import Outcome

_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The worker's own registry, so that two workers in one process do not share counters."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        ours: dict[str, Any] = {"namespace": "tweet_emotions", "registry": self.registry}
        self._tweets = Counter("labelled", "Tweets labelled and counted by this process.", ["label"], **ours)
        self._dead = Counter("dead_lettered", "Dead letters written by this process.", ["reason"], **ours)
        self._known = Counter("already_published", "Outcomes found on the topics after a restart.", **ours)
        self._deleted = Counter(
            "deleted_unread", "Raw records that the topic deleted before they were labelled, at most.", **ours
        )
        self._batch_size = Histogram("batch_tweets", "Tweets in a batch.", buckets=_BATCH_SIZES, **ours)
        self._label_s = Histogram(
            "batch_label_seconds", "Decode, clean and score of a batch.", buckets=_SECONDS, **ours
        )
        self._publish_s = Histogram(
            "batch_publish_seconds", "Publish of a batch until confirmed.", buckets=_SECONDS, **ours
        )
        self._lag = Gauge("lag_messages", "Raw records not counted yet, whoever owns them.", ["partition"], **ours)
        self._late = Gauge(
            "counts_late_seconds", "For how long the oldest tweet that is not counted has waited.", **ours
        )
        self._bundle = Gauge("bundle", "1 for the bundle that labels.", ["name", "version", "precision"], **ours)
        self._confidence = Counter("confidence", "Sum of the confidences of the labelled tweets.", **ours)
        self._abstained = Counter("abstained", "Labelled tweets of which the model was not sure.", **ours)
        self._refused = Counter("bundles_refused", "New bundles that were not fit to label.", **ours)
        self._compared = Counter(
            "shadow_compared", "Tweets that the candidate labelled too, by the label published.", ["label"], **ours
        )
        self._agreed = Counter("shadow_agreed", "Those of them that got the same label.", ["label"], **ours)
        for label in EMOTIONS:
            self._tweets.labels(label)
        for reason in Reason:  # a counter that begins with its first letter hides that one from rate()
            self._dead.labels(reason)

    def bundle(self, name: str, version: str, precision: str) -> None:
        """Note which bundle labels from now on, and in which precision."""
        self._bundle.clear()
        self._bundle.labels(name, version, precision).set(1)

    def bundle_refused(self) -> None:
        """Note a new bundle that was not fit."""
        self._refused.inc()

    def deleted_unread(self, tweets: int) -> None:
        """Note raw records that are gone without an outcome."""
        self._deleted.inc(tweets)

    def compared(self, published: NDArray[np.intp], candidates: NDArray[np.intp]) -> None:
        """Note labels that were published and those of the candidate, indices into ``EMOTIONS``, ``[n]`` each."""
        for label, emotion in enumerate(EMOTIONS):
            ours = published == label
            self._compared.labels(emotion).inc(int(ours.sum()))
            self._agreed.labels(emotion).inc(int((ours & (candidates == label)).sum()))

    def batch(self, outcomes: list[Outcome], label_s: float, publish_s: float) -> None:
        """Note one finished batch."""
        self._batch_size.observe(len(outcomes))
        self._label_s.observe(label_s)
        self._publish_s.observe(publish_s)
        known, dead, labels = 0, Counts[str](), Counts[int]()
        confidence, abstained = 0.0, 0
        for outcome in outcomes:
            if outcome.value is None:
                known += 1
            elif outcome.counted.label is not None:
                labels[outcome.counted.label] += 1
                confidence += outcome.counted.confidence
                abstained += outcome.counted.abstained
            elif outcome.reason is not None:
                dead[outcome.reason] += 1
        if known:
            self._known.inc(known)
        for reason, tweets in dead.items():
            self._dead.labels(reason).inc(tweets)
        self._confidence.inc(confidence)
        self._abstained.inc(abstained)
        for label, tweets in labels.items():
            self._tweets.labels(EMOTIONS[label]).inc(tweets)

    def progress(self, partitions: Iterable[PartitionProgress]) -> None:
        """Refresh the lag gauges; the lag is not a number while the end of a partition is unknown."""
        late_s = 0.0
        for partition in partitions:
            late_s = max(late_s, partition.late_s)
            lag = math.nan if partition.lag_messages is None else partition.lag_messages
            self._lag.labels(str(partition.partition)).set(lag)
        self._late.set(late_s)
