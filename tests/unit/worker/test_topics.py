import pytest

from worker.settings import KafkaSettings, WorkerSettings
from worker.topics import LARGEST_LETTER_BYTES, Found, durability, misfits, wanted_topics

KAFKA = KafkaSettings(raw_topic="raw", emotion_topic="emotion", dead_topic="dead")
WORKER = WorkerSettings(app_id="app", retention_s=3600)
CHANGELOG = "app-emotion_counts-changelog"
WANTED = wanted_topics(KAFKA, WORKER, retention_days=7)


def made_as_wanted() -> dict[str, Found]:
    return {topic.name: Found(4, topic.settings) for topic in WANTED}


def problems(found: dict[str, Found]) -> list[str]:
    return misfits(WANTED, found, KAFKA.dead_topic, WORKER.retention_s)


def with_setting(name: str, setting: str, value: str) -> dict[str, Found]:
    found = made_as_wanted()
    return found | {name: Found(4, {**found[name].settings, setting: value})}


def test_what_is_created_fits() -> None:
    assert problems(made_as_wanted()) == []


def test_the_changelog_has_the_name_that_faust_looks_for_and_outlives_the_counts() -> None:
    changelog = WANTED[-1]
    assert changelog.name == CHANGELOG == WORKER.changelog_topic
    assert "compact" in changelog.settings["cleanup.policy"]
    assert int(changelog.settings["retention.ms"]) > 3_600_000


def test_settings_that_the_broker_does_not_tell_are_not_judged() -> None:
    assert problems({topic.name: Found(4) for topic in WANTED}) == []


@pytest.mark.parametrize("name", ["raw", "emotion", "dead", CHANGELOG])
def test_a_missing_topic_is_named_with_the_remedy(name: str) -> None:
    found = made_as_wanted()
    del found[name]
    assert [problem for problem in problems(found) if problem.startswith(f"{name} does not exist")]


@pytest.mark.parametrize("name", ["emotion", "dead", CHANGELOG])
def test_another_partition_count_than_the_raw_topics_is_refused(name: str) -> None:
    found = made_as_wanted()
    (problem,) = problems(found | {name: Found(3, found[name].settings)})
    assert problem.startswith(f"{name} has 3 partitions and raw has 4")


@pytest.mark.parametrize("name", ["raw", "emotion", "dead"])
def test_a_stream_topic_that_is_compacted_is_refused(name: str) -> None:
    (problem,) = problems(with_setting(name, "cleanup.policy", "compact"))
    assert name in problem


def test_a_changelog_that_is_not_compacted_is_refused() -> None:
    (problem,) = problems(with_setting(CHANGELOG, "cleanup.policy", "delete"))
    assert "rows of the counts would be lost" in problem


def test_a_changelog_that_forgets_sooner_than_the_counts_is_refused() -> None:
    (problem,) = problems(with_setting(CHANGELOG, "retention.ms", "3599000"))
    assert "--retention-s" in problem
    assert problems(with_setting(CHANGELOG, "retention.ms", "-1")) == []


def test_a_dead_letter_topic_too_small_for_the_longest_letter_is_refused() -> None:
    (problem,) = problems(with_setting("dead", "max.message.bytes", str(LARGEST_LETTER_BYTES - 1)))
    assert "max.message.bytes" in problem


def test_three_copies_are_written_twice_before_they_count_as_written() -> None:
    assert [durability(copies) for copies in (None, 1, 2)] == [{}, {}, {}]
    assert durability(3) == {"min.insync.replicas": "2"}


def test_the_changelog_outlives_the_counts() -> None:
    changelog = next(topic for topic in WANTED if topic.holds_counts)
    assert int(changelog.settings["retention.ms"]) > 2 * WORKER.retention_s * 1000


def test_settings_that_are_just_enough_fit() -> None:
    assert problems(with_setting("dead", "max.message.bytes", str(LARGEST_LETTER_BYTES))) == []
    assert problems(with_setting(CHANGELOG, "retention.ms", "3600000")) == []
    compacted = Found(4, {**made_as_wanted()[CHANGELOG].settings, "cleanup.policy": "compact", "retention.ms": "1000"})
    assert problems(made_as_wanted() | {CHANGELOG: compacted}) == []
