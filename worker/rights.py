"""Does the broker let us do what a worker does? Asked before the first tweet (KIP-430)."""

from concurrent.futures import Future
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient

from worker.errors import BrokerRefused
from worker.settings import KafkaSettings, WorkerSettings
from worker.topics import topic_names

log = structlog.get_logger("worker.rights")

WHERE_TOLD = 'docs/operations.md, "Topics and access rights", says who needs which'
_FORBIDDEN = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED}
_TOLD_WITHIN_S = 10.0
_GROUP_TOLD_WITHIN_S = 2.0
"""A broker that has just begun has nobody who knows of groups, and the start must not wait for that."""
_READ, _WRITE = {AclOperation.READ}, {AclOperation.READ, AclOperation.WRITE}


def check_rights(kafka: KafkaSettings, worker: WorkerSettings) -> None:
    """See that this client may read and write the topics and join the group. Blocks.

    What a broker does not tell (one without an authorizer, before Apache Kafka 2.3, or in trouble) is not judged.

    Raises:
        BrokerRefused: a right is missing; all that are missing are named.
        TopicsUnfit: as `topic_names`.
    """
    raw, *written = topic_names(kafka, worker)
    admin = AdminClient(kafka.client_config())
    rights: dict[str, Any] = {"include_authorized_operations": True}
    topics = admin.describe_topics(TopicCollection([raw, *written]), request_timeout=_TOLD_WITHIN_S, **rights)
    groups = admin.describe_consumer_groups([worker.app_id], request_timeout=_GROUP_TOLD_WITHIN_S, **rights)
    lacking = [
        *_lacking(raw, topics[raw], _READ),
        *(line for topic in written for line in _lacking(topic, topics[topic], _WRITE)),
        *_lacking(f"the group {worker.app_id}", groups[worker.app_id], _READ),
    ]
    if lacking:
        who = kafka.sasl_username if kafka.uses_sasl else "this client"
        raise BrokerRefused(f"{who} has no right to {', '.join(lacking)}, or it does not exist; {WHERE_TOLD}")


def _lacking(name: str, told: "Future[Any]", wanted: set[AclOperation]) -> list[str]:
    """``["Read and Write on NAME"]``, or nothing."""
    try:
        given = told.result().authorized_operations
    except KafkaException as error:
        if error.args[0].code() not in _FORBIDDEN:
            log.debug("rights are not told", of=name, reason=error.args[0].str())
            return []
        given = []
    absent = set() if given is None else wanted - set(given)
    return [f"{' and '.join(sorted(right.name.title() for right in absent))} on {name}"] if absent else []
