"""The worker and its commands on a secured Apache Kafka: SASL_SSL with SCRAM and PLAIN, and mTLS."""

import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.conftest import KAFKA_HOME
from tests.secured import PASSWORDS, SecuredKafka
from tests.stream import Stream
from worker.__main__ import main
from worker.commands.topics import create_topics
from worker.settings import KafkaSettings, WorkerSettings

pytestmark = [
    pytest.mark.integration,
    pytest.mark.apache,
    pytest.mark.skipif(KAFKA_HOME is None, reason="no KAFKA_HOME"),
]

NO_PERMISSION = 77
WAYS = ["scram", "plain", "mtls"]


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
