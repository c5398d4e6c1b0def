"""``python -m worker topics``: make the topics, or say why those that are there do not fit."""

import contextlib
import time

import click
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from worker.errors import BrokerUnreachable, TopicsUnfit
from worker.options import FiniteRange, settings_options
from worker.preflight import wait_for_broker
from worker.settings import KafkaSettings, WorkerSettings
from worker.topics import Found, durability, misfits, topic_names, wanted_topics

_TIMEOUT_S = 30.0
_POLL_S = 0.1
_BROKERS_DEFAULT = -1


@click.command()
@settings_options(
    kafka=KafkaSettings,
    worker=WorkerSettings,
    only=(*KafkaSettings.model_fields, "app_id", "retention_s"),
)
@click.option(
    "--partitions",
    type=click.IntRange(1),
    help="partitions of each new topic  [default: as the raw topic has, else 4]",
)
@click.option(
    "--replication-factor",
    type=click.IntRange(1),
    default=None,
    help="copies of each new topic  [default: the broker's]",
)
@click.option(
    "--retention-days",
    type=FiniteRange(0, 100_000, min_open=True),
    default=7.0,
    show_default=True,
    help="how long new topics keep tweets, events and dead letters",
)
@click.option("--check", is_flag=True, help="change nothing, only say whether the topics fit")
def topics(
    kafka: KafkaSettings,
    worker: WorkerSettings,
    partitions: int | None,
    replication_factor: int | None,
    retention_days: float,
    check: bool,
) -> None:
    """Create the topics of raw tweets, events, dead letters and the counts' changelog, or check those that exist."""
    if not check:
        for name in create_topics(kafka, worker, partitions, replication_factor, retention_days):
            click.echo(f"created {name}")
    found = find_topics(kafka, worker)
    wanted = wanted_topics(kafka, worker, retention_days)
    problems = misfits(wanted, found, kafka.dead_topic, worker.retention_s)
    if problems:
        raise TopicsUnfit("the topics do not fit:\n  " + "\n  ".join(problems))
    for topic in wanted:
        click.echo(_describe(topic.name, found[topic.name]))
    if partitions is not None and found[kafka.raw_topic].partitions != partitions:
        raise TopicsUnfit(
            f"{kafka.raw_topic} has {found[kafka.raw_topic].partitions} partitions already, not {partitions}; "
            "its count is left alone: with another, the same key would go elsewhere"
        )


def _describe(name: str, found: Found) -> str:
    policy, retention = found.settings.get("cleanup.policy"), found.settings.get("retention.ms")
    told = [f"{name}: {found.partitions} partitions", policy or "settings not told by the broker"]
    if retention is not None and policy != "compact":
        told.append("kept for ever" if int(retention) < 0 else f"kept for {int(retention) / 3_600_000:g} h")
    return ", ".join(told)


def create_topics(
    kafka: KafkaSettings,
    worker: WorkerSettings,
    partitions: int | None = None,
    replication: int | None = None,
    retention_days: float = 7.0,
) -> list[str]:
    """Create what is missing and return the new names, usable when this returns.

    New topics take the raw topic's partition count if it exists.

    Raises:
        BrokerUnreachable: no broker answers.
        TopicsUnfit: the broker refuses a topic.
    """
    there = wait_for_broker(kafka).topics
    if kafka.raw_topic in there:
        partitions = len(there[kafka.raw_topic].partitions)
    missing = [
        NewTopic(
            topic.name,
            partitions or 4,
            replication or _BROKERS_DEFAULT,
            config=dict(topic.settings) | durability(replication),
        )
        for topic in wanted_topics(kafka, worker, retention_days)
        if topic.name not in there
    ]
    if not missing:
        return []
    admin = AdminClient(kafka.client_config())
    for name, created in admin.create_topics(missing, request_timeout=_TIMEOUT_S).items():
        try:
            created.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise TopicsUnfit(f"the broker refuses to create topic {name}: {error.args[0].str()}") from error
    _wait_until_listed(admin, {topic.topic for topic in missing})
    return [topic.topic for topic in missing]


def _wait_until_listed(admin: AdminClient, names: set[str]) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(KafkaException):  # a broker may go away for a moment
            listed = admin.list_topics(timeout=_TIMEOUT_S).topics
            if all(name in listed and listed[name].partitions for name in names):
                return
        time.sleep(_POLL_S)
    raise BrokerUnreachable(
        f"topics {', '.join(sorted(names))} were created but are not listed after {_TIMEOUT_S:.0f} s"
    )


def find_topics(kafka: KafkaSettings, worker: WorkerSettings) -> dict[str, Found]:
    """Those of the wanted topics that exist.

    Raises:
        BrokerUnreachable: no broker answers.
    """
    listed = wait_for_broker(kafka).topics
    names = [name for name in topic_names(kafka, worker) if name in listed]
    settings = _settings_of(AdminClient(kafka.client_config()), names) if names else {}
    return {name: Found(len(listed[name].partitions), settings.get(name, {})) for name in names}


def _settings_of(admin: AdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    """Settings by topic; empty for a topic whose settings the broker does not tell, with a note on standard error."""
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    told: dict[str, dict[str, str]] = {}
    for resource, answer in admin.describe_configs(resources, request_timeout=_TIMEOUT_S).items():
        try:
            entries = answer.result()
        except KafkaException as error:
            reason = error.args[0].str()
            click.echo(f"note: only partitions checked, {resource.name}'s settings are not told: {reason}", err=True)
            continue
        told[resource.name] = {name: entry.value for name, entry in entries.items() if entry.value is not None}
    return told
