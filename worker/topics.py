"""What the four topics must look like, and what is wrong with those that are there. Pure.

The meaning of each setting: Apache Kafka documentation, "Topic Configs".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from schemas.dead_letter import MAX_ORIGINAL_BYTES
from worker.errors import TopicsUnfit
from worker.settings import KafkaSettings, WorkerSettings

_HOUR_MS: Final = 3_600_000
_COPIES_FOR_TWO_IN_SYNC: Final = 3
_BYTES_BY_DEFAULT: Final = 1_048_588
"""Kafka's own ``max.message.bytes``."""
LARGEST_LETTER_BYTES: Final = MAX_ORIGINAL_BYTES * 4 // 3 + 60_000
"""A dead letter with the longest original it keeps, in base64, and its other fields."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it should be made: settings by their Kafka names."""

    name: str
    settings: Mapping[str, str]
    holds_counts: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as the broker tells it. ``settings`` lacks what the broker does not tell."""

    partitions: int
    settings: Mapping[str, str] = field(default_factory=dict)


def topic_names(kafka: KafkaSettings, worker: WorkerSettings) -> tuple[str, str, str, str]:
    """Raw tweets, events, dead letters, changelog.

    Raises:
        TopicsUnfit: two have the same name; the worker would read what it writes.
    """
    names = (kafka.raw_topic, kafka.emotion_topic, kafka.dead_topic, worker.changelog_topic)
    if len(set(names)) < len(names):
        raise TopicsUnfit(f"topics must have different names, these are {', '.join(names)}; see --raw-topic and others")
    return names


def wanted_topics(kafka: KafkaSettings, worker: WorkerSettings, retention_days: float) -> tuple[Topic, ...]:
    """Raw tweets, events, dead letters, and the changelog of the counts.

    The changelog is compacted in small segments, so that overwritten and expired rows go within minutes; what nobody
    owns any more goes after twice the retention of the counts and an hour.

    Raises:
        TopicsUnfit: as `topic_names`.
    """
    kept = {"cleanup.policy": "delete", "retention.ms": str(int(retention_days * 24 * _HOUR_MS))}
    counts = {
        "cleanup.policy": "compact,delete",
        "retention.ms": str(int(worker.retention_s * 2000) + _HOUR_MS),
        "segment.ms": "600000",
        "delete.retention.ms": "600000",
        "min.cleanable.dirty.ratio": "0.1",
    }
    raw, emotion, dead, changelog = topic_names(kafka, worker)
    return (
        Topic(raw, kept),
        Topic(emotion, kept),
        Topic(dead, kept | {"max.message.bytes": str(_BYTES_BY_DEFAULT)}),
        Topic(changelog, counts, holds_counts=True),
    )


def made_anew(kafka: KafkaSettings, evidence: str) -> TopicsUnfit:
    """The error for a raw topic at whose offsets stand other tweets than were counted or published."""
    return TopicsUnfit(
        f"{evidence}: the topic was made anew. Make {kafka.emotion_topic} and {kafka.dead_topic} anew too or name "
        "others, since their events name the old offsets, and start with another --app-id. If it was moved with its "
        "offsets instead, say --raw-topic-moved"
    )


def durability(replication: int | None) -> dict[str, str]:
    """Where three copies are asked for two must have a record before it counts as written.

    By default a broker is content with the leader's own, which may be lost with it; two copies would then stop writing
    whenever one is away.
    """
    return {"min.insync.replicas": "2"} if replication is not None and replication >= _COPIES_FOR_TWO_IN_SYNC else {}


def misfits(
    wanted: tuple[Topic, ...], found: Mapping[str, Found], dead_topic: str, counts_retention_s: float
) -> list[str]:
    """One sentence for each thing that must be changed, with the remedy; empty where all fits.

    The first wanted topic decides the partition count. Settings that the broker does not tell are not judged.
    """
    problems = [
        f"{topic.name} does not exist; `python -m worker topics` creates it"
        for topic in wanted
        if topic.name not in found
    ]
    there = [topic for topic in wanted if topic.name in found]
    problems += _uneven(there, found)
    unfit = (_unfit_settings(topic, found[topic.name].settings, counts_retention_s) for topic in there)
    problems += [problem for problem in unfit if problem is not None]
    letters = found[dead_topic].settings.get("max.message.bytes") if dead_topic in found else None
    if letters is not None and int(letters) < LARGEST_LETTER_BYTES:
        problems.append(
            f"{dead_topic} has max.message.bytes={letters}, a dead letter may have {LARGEST_LETTER_BYTES}: the worker "
            "would stop at the first long one; raise it"
        )
    return problems


def _uneven(there: list[Topic], found: Mapping[str, Found]) -> list[str]:
    if not there:
        return []
    first = there[0].name
    count = found[first].partitions
    return [
        f"{topic.name} has {found[topic.name].partitions} partitions and {first} has {count}: an event goes to the "
        f"partition of its tweet, so all need the same count; add partitions to the smaller, or make {topic.name} anew"
        for topic in there[1:]
        if found[topic.name].partitions != count
    ]


def _unfit_settings(topic: Topic, settings: Mapping[str, str], counts_retention_s: float) -> str | None:
    policy = settings.get("cleanup.policy")
    if policy is None:
        return None
    compacts = "compact" in policy
    if not topic.holds_counts:
        lost = f"{topic.name} has cleanup.policy={policy}: records with the same key would be lost; set it to delete"
        return lost if compacts else None
    if not compacts:
        return (
            f"{topic.name} has cleanup.policy={policy}: rows of the counts would be lost with old segments; "
            "set it to compact,delete or compact"
        )
    retention_ms = int(settings.get("retention.ms", "-1"))
    if "delete" in policy and 0 <= retention_ms < counts_retention_s * 1000:
        return (
            f"{topic.name} has retention.ms={retention_ms}, the counts are kept for {counts_retention_s:.0f} s: rows "
            "would be lost before they expire; raise it, or lower --retention-s"
        )
    return None
