from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from worker.errors import SecretUnreadable
from worker.options import FiniteRange, settings_options
from worker.settings import KafkaSettings, WorkerSettings


@click.command()
@settings_options(kafka=KafkaSettings, worker=WorkerSettings)
def show(kafka: KafkaSettings, worker: WorkerSettings) -> None:
    click.echo(f"{kafka.bootstrap_servers} {worker.http_port} {worker.include_text} {worker.bundle}")


def test_an_option_wins_over_the_environment_and_the_environment_over_the_default() -> None:
    env = {"KAFKA_BOOTSTRAP_SERVERS": "env:1", "WORKER_HTTP_PORT": "7000"}
    result = CliRunner().invoke(show, ["--http-port", "8000", "--include-text", "--bundle", "b"], env=env)
    assert result.output == "env:1 8000 True b\n"


def test_help_names_every_setting_with_its_variable_and_no_secret() -> None:
    text = " ".join(CliRunner().invoke(show, ["--help"]).output.split())
    for name in WorkerSettings.model_fields:
        assert f"--{name.replace('_', '-')}" in text
    assert "WORKER_DATA_DIR" in text
    assert "--sasl-password " not in text


def test_a_value_that_does_not_fit_is_refused_by_name() -> None:
    result = CliRunner().invoke(show, ["--max-batch", "0"])
    assert result.exit_code == click.UsageError.exit_code
    assert "--max-batch (WORKER_MAX_BATCH)" in result.output


def test_the_password_comes_from_its_file_and_is_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "password"
    path.write_text("hunter2\n")
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "hunter3")
    settings = KafkaSettings(security_protocol="SASL_SSL", sasl_username="u", sasl_password_file=path)
    assert settings.client_config()["sasl.password"] == "hunter2"
    assert "hunter" not in repr(settings) + str(settings.model_dump())


def test_an_unreadable_password_file_is_named(tmp_path: Path) -> None:
    settings = KafkaSettings(security_protocol="SASL_SSL", sasl_password_file=tmp_path / "none")
    with pytest.raises(SecretUnreadable, match="none"):
        settings.client_config()


@pytest.mark.parametrize("servers", ["localhost:9092", "kafka", "a:1, b.example.org:65535", "[::1]:9092,10.0.0.1:9092"])
def test_brokers_are_hosts_with_or_without_a_port(servers: str) -> None:
    assert KafkaSettings(bootstrap_servers=servers).servers == [server.strip() for server in servers.split(",")]


@pytest.mark.parametrize("servers", ["", "a:1,", "a:x", "a:0", "a:65536", "a:1:2", "kafka://a:9092", "a b:1", "::1"])
def test_what_is_no_broker_is_refused_by_name(servers: str) -> None:
    result = CliRunner().invoke(show, ["--bootstrap-servers", servers])
    assert result.exit_code == click.UsageError.exit_code
    assert "--bootstrap-servers (KAFKA_BOOTSTRAP_SERVERS)" in result.output
    assert "is no host:port" in result.output


def test_an_empty_variable_is_one_that_nobody_set() -> None:
    env = {"KAFKA_BOOTSTRAP_SERVERS": "", "WORKER_HTTP_PORT": "", "WORKER_THREADS": ""}
    assert CliRunner().invoke(show, ["--bundle", "b"], env=env).output == "127.0.0.1:9092 6066 False b\n"


@pytest.mark.parametrize("number", ["nan", "inf"])
def test_a_number_that_is_not_finite_is_refused(number: str) -> None:
    assert "--drain-s (WORKER_DRAIN_S)" in CliRunner().invoke(show, ["--drain-s", number]).output

    @click.command()
    @click.option("--every", type=FiniteRange(0, min_open=True))
    def wait(every: float) -> None:
        click.echo(every)

    assert f"{number} is no finite number" in CliRunner().invoke(wait, ["--every", number]).output
    assert CliRunner().invoke(wait, ["--every", "2"]).output == "2.0\n"


@pytest.mark.parametrize("languages", ["english", "en;de", "en,", "EN"])
def test_what_is_no_list_of_languages_is_refused_by_name(languages: str) -> None:
    result = CliRunner().invoke(show, ["--languages", languages])
    assert result.exit_code == click.UsageError.exit_code
    assert "--languages (WORKER_LANGUAGES)" in result.output
