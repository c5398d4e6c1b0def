"""The worker and its commands on a secured Apache Kafka: SASL_SSL with SCRAM and PLAIN, and mTLS."""

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from tests.certificates import Authority
from tests.conftest import KAFKA_HOME
from tests.stream import Stream
from worker.__main__ import main
from worker.brokers import ApacheKafka, free_port
from worker.commands.topics import create_topics
from worker.settings import KafkaSettings, WorkerSettings

pytestmark = [
    pytest.mark.integration,
    pytest.mark.apache,
    pytest.mark.skipif(KAFKA_HOME is None, reason="no KAFKA_HOME"),
]

USER, WORKER_USER = "alice", "worker"
PASSWORDS = {"SCRAM-SHA-512": "scram-pa55-of-alice", "PLAIN": "plain-pa55-of-alice"}
NO_PERMISSION = 77
WAYS = ["scram", "plain", "mtls"]


class SecuredKafka:
    """One broker with a listener for SASL over TLS and one for client certificates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder / "ours", "authority")
        self.stranger = Authority(folder / "theirs", "stranger")
        server, self.client = self.authority.sign("server"), self.authority.sign("client")
        self.sasl_port, self.mtls_port, plain = free_port(), free_port(), free_port()
        jaas = "org.apache.kafka.common.security"
        self.broker = ApacheKafka(
            Path(KAFKA_HOME or ""),
            folder / "broker",
            port=plain,
            properties={
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": str(server.both),
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": str(self.authority.certificate),
                "sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": f"User:ANONYMOUS;User:{USER};User:CN=client",
                "listener.name.mtls.ssl.client.auth": "required",
                "listener.name.sasl.scram-sha-512.sasl.jaas.config": f"{jaas}.scram.ScramLoginModule required;",
                "listener.name.sasl.plain.sasl.jaas.config": (
                    f'{jaas}.plain.PlainLoginModule required user_{USER}="{PASSWORDS["PLAIN"]}";'
                ),
            },
            format_arguments=[
                argument
                for user in (USER, WORKER_USER)
                for argument in ("--add-scram", f"SCRAM-SHA-512=[name={user},password={PASSWORDS['SCRAM-SHA-512']}]")
            ],
        )
        names = {"PLAINTEXT": plain, "SASL": self.sasl_port, "MTLS": self.mtls_port}
        listeners = ",".join(f"{name}://127.0.0.1:{port}" for name, port in names.items())
        self.broker.properties |= {
            "listeners": f"{listeners},CONTROLLER://127.0.0.1:{self.broker.controller_port}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SASL:SASL_SSL,MTLS:SSL,CONTROLLER:PLAINTEXT",
        }

    def settings(self, way: str, folder: Path, **changes: object) -> KafkaSettings:
        name = f"s{uuid.uuid4().hex[:8]}"
        given: dict[str, object] = {
            "ssl_ca_file": self.authority.certificate,
            **{f"{topic}_topic": f"{name}.{topic}" for topic in ("raw", "emotion", "dead")},
        }
        if way == "mtls":
            given |= {"security_protocol": "SSL", "bootstrap_servers": f"127.0.0.1:{self.mtls_port}"}
            given |= {"ssl_certificate_file": self.client.certificate, "ssl_key_file": self.client.key}
        else:
            mechanism = "PLAIN" if way == "plain" else "SCRAM-SHA-512"
            given |= {"security_protocol": "SASL_SSL", "bootstrap_servers": f"127.0.0.1:{self.sasl_port}"}
            given |= {"sasl_mechanism": mechanism, "sasl_username": USER}
            given["sasl_password_file"] = folder / "password"
            (folder / "password").write_text(PASSWORDS[mechanism] + "\n", encoding="utf-8")
        return KafkaSettings(**(given | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    made = SecuredKafka(tmp_path_factory.mktemp("secured"))
    with made.broker:
        yield made


def command(stream: Stream, *arguments: str) -> Result:
    """A command in this process: a start of Python costs more than what it does."""
    return CliRunner().invoke(main, [*arguments], env=stream.environment())


@pytest.mark.parametrize("way", WAYS)
def test_everything_works_over_a_secured_connection_and_no_secret_is_told(
    secured: SecuredKafka, way: str, tiny_bundle: Path, tmp_path: Path
) -> None:
    kafka = secured.settings(way, tmp_path)
    worker = WorkerSettings(app_id=kafka.raw_topic, bundle=tiny_bundle, data_dir=tmp_path / "data")
    tweets = tmp_path / "tweets.txt"
    tweets.write_text("so happy\nwhat a sad day\n" * 20, encoding="utf-8")
    with Stream(kafka, worker, tmp_path / "worker.log") as stream:
        told = [command(stream, "topics", "--partitions", "4"), command(stream, "produce", str(tweets))]
        stream.start("--log-level", "debug")
        stream.check_exact(40)
        told.append(command(stream, "tail", "--from-beginning", "--no-follow", "--json"))
        told.append(command(stream, "counts", "--once", "--http-port", str(stream.port)))
        told.append(command(stream, "dead", "list"))
        assert [one.exit_code for one in told] == [0] * len(told), [one.output for one in told]
        assert len(told[2].stdout.splitlines()) == 40
        pages = [stream.page(path) for path in ("/metrics", "/model", "/counts", "/readyz")]
        assert stream.terminate() == 0
        everything = "".join([stream.log.read_text(), *(one.output for one in told), *pages])
    assert not [secret for secret in (*PASSWORDS.values(), "PRIVATE KEY") if secret in everything]
    assert not [secret for secret in PASSWORDS.values() if secret in repr(kafka)]


def test_a_worker_needs_no_more_than_the_rights_in_docs_operations(
    secured: SecuredKafka, tiny_bundle: Path, tmp_path: Path
) -> None:
    kafka = secured.settings("scram", tmp_path)
    worker = WorkerSettings(app_id=f"{kafka.raw_topic}-app", bundle=tiny_bundle, data_dir=tmp_path / "data")
    create_topics(kafka, worker, partitions=4)
    rights = [
        (ResourceType.TOPIC, kafka.raw_topic, AclOperation.READ),
        *(
            (ResourceType.TOPIC, topic, right)
            for topic in (kafka.emotion_topic, kafka.dead_topic, worker.changelog_topic)
            for right in (AclOperation.READ, AclOperation.WRITE)
        ),
        (ResourceType.GROUP, worker.app_id, AclOperation.READ),
    ]
    bindings = [
        AclBinding(kind, name, ResourcePatternType.LITERAL, f"User:{WORKER_USER}", "*", right, AclPermissionType.ALLOW)
        for kind, name, right in rights
    ]
    admin = AdminClient(kafka.client_config())
    for made in admin.create_acls(bindings).values():
        made.result(30)
    with Stream(kafka, worker, tmp_path / "worker.log") as stream:
        stream.produce([b"so happy", b"what a sad day"] * 20)
        stream.start(KAFKA_SASL_USERNAME=WORKER_USER)
        stream.check_exact(40)
        assert stream.terminate() == 0


@pytest.mark.parametrize(
    ("way", "changes", "wanted"),
    [
        ("scram", {"sasl_password_file": "wrong"}, "KAFKA_SASL_PASSWORD_FILE"),
        ("plain", {"sasl_username": "mallory"}, "KAFKA_SASL_USERNAME"),
        ("scram", {"ssl_ca_file": "stranger"}, "KAFKA_SSL_CA_FILE"),
        ("mtls", {"ssl_certificate_file": None, "ssl_key_file": None}, "KAFKA_SSL_CERTIFICATE_FILE"),
    ],
    ids=["wrong password", "unknown user", "wrong authority", "no client certificate"],
)
def test_who_is_not_let_in_is_told_why_at_once(
    secured: SecuredKafka, way: str, changes: dict[str, str | None], wanted: str, tmp_path: Path
) -> None:
    files = {"wrong": tmp_path / "wrong", "stranger": secured.stranger.certificate}
    files["wrong"].write_text("a-wr0ng-one", encoding="utf-8")
    kafka = secured.settings(way, tmp_path, **{name: files.get(value or "", value) for name, value in changes.items()})
    kafka = KafkaSettings(**kafka.model_dump(exclude_none=True, exclude_unset=True))
    worker = WorkerSettings(app_id=kafka.raw_topic)
    with Stream(kafka, worker, tmp_path / "worker.log") as stream:
        started = time.monotonic()
        told = command(stream, "tail", "--no-follow")
    assert time.monotonic() - started < 20
    assert told.exit_code == NO_PERMISSION
    error = [line for line in told.output.splitlines() if line.startswith("error:")]
    assert len(error) == 1
    assert wanted in error[0]
    assert "a-wr0ng-one" not in told.output


def test_a_worker_that_is_not_let_in_ends_with_a_clear_line(
    secured: SecuredKafka, tiny_bundle: Path, tmp_path: Path
) -> None:
    kafka = secured.settings("scram", tmp_path)
    (tmp_path / "password").write_text("a-wr0ng-one", encoding="utf-8")
    worker = WorkerSettings(app_id=kafka.raw_topic, bundle=tiny_bundle, data_dir=tmp_path / "data")
    with Stream(kafka, worker, tmp_path / "worker.log") as stream:
        stream.start("--log-level", "debug")
        assert stream.ended() == NO_PERMISSION
        said = stream.log.read_text()
    assert said.splitlines()[-1].startswith("error:")
    assert "KAFKA_SASL_PASSWORD_FILE" in said
    assert "Traceback" not in said
    assert "a-wr0ng-one" not in said


def test_a_certificate_of_a_stranger_is_refused(secured: SecuredKafka, tiny_bundle: Path, tmp_path: Path) -> None:
    other = secured.stranger.sign("mallory")
    kafka = secured.settings("mtls", tmp_path, ssl_certificate_file=other.certificate, ssl_key_file=other.key)
    with Stream(kafka, WorkerSettings(app_id="x", bundle=tiny_bundle), tmp_path / "worker.log") as stream:
        told = command(stream, "tail", "--no-follow")
    assert told.exit_code == NO_PERMISSION
    assert "certificate" in told.output


def test_a_password_from_the_environment_works_and_has_no_option(secured: SecuredKafka, tmp_path: Path) -> None:
    kafka = secured.settings("scram", tmp_path)
    worker = WorkerSettings(app_id=kafka.raw_topic)
    create_topics(kafka, worker, partitions=4)
    with Stream(kafka, worker, tmp_path / "worker.log") as stream:
        environment: dict[str, str | None] = {**stream.environment(), "KAFKA_SASL_PASSWORD_FILE": None}
    environment["KAFKA_SASL_PASSWORD"] = PASSWORDS["SCRAM-SHA-512"]
    assert CliRunner().invoke(main, ["dead", "list"], env=environment).exit_code == 0
    help_text = CliRunner().invoke(main, ["run", "--help"], env=environment).output
    assert "--sasl-password-file" in help_text
    assert PASSWORDS["SCRAM-SHA-512"] not in help_text
    assert "--sasl-password " not in help_text
