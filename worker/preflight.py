"""What is looked at before the first tweet: is a broker there, do the topics fit together?"""

import time
from collections.abc import Callable
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ClusterMetadata

from worker.errors import BrokerRefused, BrokerUnreachable, SecretUnreadable, TopicsUnfit
from worker.settings import KafkaSettings, WorkerSettings
from worker.topics import topic_names

log = structlog.get_logger("worker.preflight")

_ATTEMPT_S = 2.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0
_HANDSHAKES = 2
"""A TLS handshake can also fail because a broker is starting; after so many attempts it is the certificates."""
_DESCRIBED_WITHIN_S = 30.0
_NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
"""Sixteen zero bytes: what a broker without ids of topics tells (before Apache Kafka 2.8)."""
_TLS_ALERT = "SSL routines"
"""A broker that wants another certificate says so after the handshake, in an error of the connection (TLS 1.3)."""


def wait_for_broker(kafka: KafkaSettings, pause: Callable[[float], object] = time.sleep) -> ClusterMetadata:
    """Ask for the cluster's metadata until a broker answers; the pauses double. Blocks; ``pause`` may raise to end it.

    Raises:
        BrokerUnreachable: none answered within ``broker_timeout_s``.
        BrokerRefused: one answered, but user and password, or the certificates, do not fit.
        SecretUnreadable: a certificate or key cannot be read.
    """
    deadline = time.monotonic() + kafka.broker_timeout_s
    pause_s = _FIRST_PAUSE_S
    refusals = _Refusals()
    config: dict[str, Any] = {**kafka.client_config(), "log_level": 0, "error_cb": refusals.note}
    try:
        admin = AdminClient(config)
    except KafkaException as error:
        raise SecretUnreadable(
            f"no client can be made of these settings ({error.args[0].str()}); check KAFKA_SSL_CA_FILE, "
            "KAFKA_SSL_CERTIFICATE_FILE, KAFKA_SSL_KEY_FILE and the SASL settings"
        ) from error
    while True:
        left_s = deadline - time.monotonic()
        try:
            return admin.list_topics(timeout=max(0.1, min(_ATTEMPT_S, left_s)))
        except KafkaException as error:
            reason = error.args[0].str()
        admin.poll(0)
        reason = refusals.check(kafka) or reason
        pause_s = min(pause_s, deadline - time.monotonic())
        if pause_s <= 0:
            raise BrokerUnreachable(
                f"no broker answers at {kafka.bootstrap_servers} within {kafka.broker_timeout_s:g} s ({reason}); "
                "check --bootstrap-servers (KAFKA_BOOTSTRAP_SERVERS) and that the broker runs"
            )
        log.warning("no broker yet", bootstrap_servers=kafka.bootstrap_servers, reason=reason, retry_in_s=pause_s)
        pause(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


class _Refusals:
    """What librdkafka says of failed connections, log-ins and handshakes."""

    def __init__(self) -> None:
        self._login = self._handshake = self._connection = ""
        self._failed_handshakes = 0

    def note(self, error: KafkaError) -> None:
        if error.code() == KafkaError._AUTHENTICATION:  # noqa: SLF001 - the documented name
            self._login = error.str()
        elif error.code() == KafkaError._SSL or _TLS_ALERT in error.str():  # noqa: SLF001 - as above
            self._handshake = error.str()
        elif error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - as above
            self._connection = error.str()

    def check(self, kafka: KafkaSettings) -> str:
        """Judge one attempt; returns why the last connection failed, as far as it is known.

        Raises:
            BrokerRefused: another attempt would end the same way.
        """
        if self._login:
            raise BrokerRefused(
                f"{kafka.bootstrap_servers} refuses the user {kafka.sasl_username} ({self._login}); check "
                "KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD_FILE and KAFKA_SASL_MECHANISM"
            )
        handshake, self._handshake = self._handshake, ""
        self._failed_handshakes += bool(handshake)
        if self._failed_handshakes >= _HANDSHAKES:
            raise BrokerRefused(
                f"no TLS connection to {kafka.bootstrap_servers} ({handshake}); check KAFKA_SSL_CA_FILE, "
                "KAFKA_SSL_CERTIFICATE_FILE, KAFKA_SSL_KEY_FILE and KAFKA_SECURITY_PROTOCOL"
            )
        return self._connection


def partitions_of(kafka: KafkaSettings, topic: str) -> list[int]:
    """The partitions of a topic.

    Raises:
        TopicsUnfit: there is no such topic, or we may not know of it.
        BrokerUnreachable, BrokerRefused, SecretUnreadable: as `wait_for_broker`.
    """
    found = wait_for_broker(kafka).topics.get(topic)
    if found is None:
        raise TopicsUnfit(
            f"no topic {topic}, or none that we have a right to; create it with `python -m worker topics`"
        )
    return list(found.partitions)


def raw_topic_id(kafka: KafkaSettings) -> str | None:
    """The id that Kafka gave the raw topic when it was made (KIP-516); None where the broker gives none. Blocks.

    Raises:
        BrokerUnreachable: the brokers did not tell.
    """
    admin = AdminClient(kafka.client_config())
    asked = admin.describe_topics(TopicCollection([kafka.raw_topic]), request_timeout=_DESCRIBED_WITHIN_S)
    try:
        told = str(asked[kafka.raw_topic].result().topic_id)
    except KafkaException as error:
        raise BrokerUnreachable(f"cannot ask for the id of {kafka.raw_topic} ({error.args[0].str()})") from error
    return None if told == _NO_ID else told


def check_topics(metadata: ClusterMetadata, kafka: KafkaSettings, worker: WorkerSettings) -> int:
    """The partition count that all topics share.

    Raises:
        TopicsUnfit: a topic is missing, has another partition count than the raw topic, or the name of another.
    """
    names = topic_names(kafka, worker)
    missing = [name for name in names if name not in metadata.topics]
    if missing:
        raise TopicsUnfit(f"topics missing: {', '.join(missing)}; create them with `python -m worker topics`")
    counts = {name: len(metadata.topics[name].partitions) for name in names}
    wanted = counts[kafka.raw_topic]
    wrong = [f"{name} has {count}" for name, count in counts.items() if count != wanted]
    if wrong:
        raise TopicsUnfit(
            f"{kafka.raw_topic} has {wanted} partitions, but {', '.join(wrong)}: an event goes to the partition of its "
            "tweet, so all need the same count. `python -m worker topics` shows what to change"
        )
    return wanted
