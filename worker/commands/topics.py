"""``python -m worker topics``: make the topics, or say why those that are there do not fit."""

import click
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from worker.errors import TopicsUnfit, WorkerError
from worker.options import settings_options
from worker.preflight import check_topics, wait_for_broker
from worker.settings import KafkaSettings, WorkerSettings

_TIMEOUT_S = 30.0
_DAY_MS = 86_400_000


@click.command()
@settings_options(
    kafka=KafkaSettings,
    worker=WorkerSettings,
    only=(*KafkaSettings.model_fields, "app_id"),
)
@click.option("--partitions", type=click.IntRange(1), default=4, show_default=True, help="partitions of each new topic")
@click.option("--replication-factor", type=click.IntRange(1), default=1, show_default=True, help="copies of each")
@click.option("--retention-days", type=click.IntRange(1), default=7, show_default=True, help="how long tweets are kept")
@click.option("--check", is_flag=True, help="change nothing, only say whether the topics fit")
def topics(
    kafka: KafkaSettings,
    worker: WorkerSettings,
    partitions: int,
    replication_factor: int,
    retention_days: int,
    check: bool,
) -> None:
    """Create the topics of raw tweets, events, dead letters and the counts' changelog, or check those that exist."""
    try:
        if not check:
            for name in create_topics(kafka, worker, partitions, replication_factor, retention_days):
                click.echo(f"created {name}")
        count = check_topics(wait_for_broker(kafka), kafka, worker)
        _check_changelog(AdminClient(kafka.client_config()), worker.changelog_topic)
    except WorkerError as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(error.exit_code) from error
    names = (kafka.raw_topic, kafka.emotion_topic, kafka.dead_topic, worker.changelog_topic)
    click.echo(f"{', '.join(names)}: {count} partitions each, they fit together")


def create_topics(
    kafka: KafkaSettings, worker: WorkerSettings, partitions: int = 4, replication: int = 1, retention_days: int = 7
) -> list[str]:
    """Create what is missing and return the new names. New topics take the raw topic's partition count if it exists.

    Raises:
        BrokerUnreachable: no broker answers.
        TopicsUnfit: the broker refuses a topic.
    """
    metadata = wait_for_broker(kafka)
    if kafka.raw_topic in metadata.topics:
        partitions = len(metadata.topics[kafka.raw_topic].partitions)
    kept = {"cleanup.policy": "delete", "retention.ms": str(retention_days * _DAY_MS)}
    # Small segments, so that the compaction drops overwritten and expired rows within minutes.
    compacted = {"cleanup.policy": "compact", "segment.ms": "600000", "delete.retention.ms": "60000"}
    wanted = {
        kafka.raw_topic: kept,
        kafka.emotion_topic: kept,
        kafka.dead_topic: kept,
        worker.changelog_topic: compacted,
    }
    missing = [
        NewTopic(name, partitions, replication, config=config)
        for name, config in wanted.items()
        if name not in metadata.topics
    ]
    if not missing:
        return []
    admin = AdminClient(kafka.client_config())
    for name, created in admin.create_topics(missing, request_timeout=_TIMEOUT_S).items():
        try:
            created.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise TopicsUnfit(f"the broker refuses topic {name}: {error.args[0].str()}") from error
    return [topic.topic for topic in missing]


def _check_changelog(admin: AdminClient, name: str) -> None:
    resource = ConfigResource(ResourceType.TOPIC, name)
    try:
        entries = admin.describe_configs([resource], request_timeout=_TIMEOUT_S)[resource].result()
    except KafkaException as error:
        click.echo(f"note: the broker does not tell the settings of {name} ({error.args[0].str()})", err=True)
        return
    policy = entries.get("cleanup.policy")
    if policy is not None and policy.value and "compact" not in policy.value:
        raise TopicsUnfit(
            f"{name} has cleanup.policy={policy.value}: rows of the counts would be lost with old segments. "
            "Set cleanup.policy=compact on it"
        )
