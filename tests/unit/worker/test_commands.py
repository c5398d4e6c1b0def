import json
import socket
import subprocess
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import click
import pytest
from click.testing import CliRunner, Result

from schemas.counts import WindowCounts
from worker.__main__ import COMMANDS, main
from worker.errors import SecretUnreadable, TopicsUnfit
from worker.settings import KafkaSettings, WorkerSettings, read_secret
from worker.topics import topic_names
from worker.view import CountsView


def test_help_names_every_command_and_imports_none_of_their_libraries() -> None:
    heavy = ("faust", "aiokafka", "confluent_kafka", "onnxruntime", "numpy", "rich", "pydantic")
    code = f"""
import json, sys
from worker.__main__ import main
try:
    main(["--help"])
except SystemExit:
    print(json.dumps([name for name in {heavy!r} if name in sys.modules]))
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert json.loads(said.splitlines()[-1]) == []
    for name in COMMANDS:
        assert f"  {name} " in said


def test_every_command_explains_itself() -> None:
    for name in COMMANDS:
        result = CliRunner().invoke(main, [name, "--help"])
        assert result.exit_code == 0, result.output
        assert "Usage: " in result.output


def test_an_unknown_broker_ends_a_tool_with_one_clear_line_and_its_own_code() -> None:
    for command in (["topics"], ["produce", "-"], ["tail"], ["dead", "list"]):
        result = CliRunner().invoke(
            main, [*command, "--bootstrap-servers", "127.0.0.1:1", "--broker-timeout-s", "0.2"], input="hi\n"
        )
        assert result.exit_code == 69, result.output
        assert "error: no broker answers at 127.0.0.1:1" in result.stderr
        assert result.stdout == ""


def test_a_variable_that_does_not_fit_ends_the_demo_with_one_clear_line() -> None:
    result = CliRunner().invoke(main, ["demo"], env={"KAFKA_BROKER_TIMEOUT_S": "soon"})
    assert result.exit_code == click.UsageError.exit_code
    assert "(KAFKA_BROKER_TIMEOUT_S): Input should be a valid number" in result.stderr


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\n<html>hello</html>", "what answers there is no worker"),
        (b"SSH-2.0-OpenSSH_9\r\n", "what answers there is no worker"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\ncut", "what answers there is no worker"),
        (b"HTTP/1.0 500 Broken\r\n\r\n{ab}", "Broken"),
        (b'HTTP/1.0 401 Unauthorized\r\n\r\n{"a":"b"}', "Unauthorized"),
    ],
)
def test_what_answers_on_the_port_and_is_no_worker_is_said_in_one_line(answer: bytes, said: str) -> None:
    result = answered(answer).result
    assert result.exit_code == 1
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


class Answered(NamedTuple):
    result: Result
    asked: bytes


def answered(answer: bytes, *options: str) -> Answered:
    """What `counts` makes of an answer, and what it had asked."""
    asked: list[bytes] = []

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            asked.append(connection.recv(10_000))
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        port = str(server.getsockname()[1])
        result = CliRunner().invoke(main, ["counts", "--once", "--http-port", port, *options])
        thread.join()
    return Answered(result, asked[0])


def test_files_that_cannot_be_used_end_a_tool_with_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(b"\xff\xfe")
    tls = {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CA_FILE": str(tmp_path / "none")}
    login = {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_SASL_PASSWORD_FILE": str(tmp_path / "password")}
    for environment, named in ((tls, "KAFKA_SSL_CA_FILE"), (login, "KAFKA_SASL_PASSWORD_FILE")):
        result = CliRunner().invoke(main, ["topics"], env=environment)
        assert (result.exit_code, len(result.stderr.splitlines())) == (78, 1), result.output
        assert named in result.stderr


def test_label_takes_what_is_not_utf8() -> None:
    result = CliRunner().invoke(main, ["label", "--json", "-"], input=b"caf\xe9 makes me happy\r\n")
    assert json.loads(result.stdout)["text"] == "caf\ufffd makes me happy"


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "empty_text"), (" \t", "empty_text"), ("!!! 1 2", "no_words"), ("so happy", "text_too_long")],
)
def test_label_says_which_texts_the_worker_would_make_dead_letters_of(text: str, reason: str) -> None:
    words = ["label", text, *(["--max-text-chars", "7"] if reason == "text_too_long" else [])]
    assert f"a dead letter ({reason})" in CliRunner().invoke(main, words).stdout
    answer = json.loads(CliRunner().invoke(main, [*words, "--json"]).stdout)
    assert (answer["reason"], "label" in answer) == (reason, False)


def test_label_hands_a_terminal_nothing_that_it_would_obey() -> None:
    told = CliRunner().invoke(main, ["label", "-"], input=b"\x1b[2Jso happy\x07\x9b31m \xe2\x80\xae\n").stdout
    assert "so happy" in told
    assert all(character.isprintable() or character == "\n" for character in told)


def test_a_token_that_cannot_be_read_is_said_in_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["counts", "--once", "--http-token-file", str(tmp_path / "none")])
    assert result.exit_code == 1
    assert "cannot read the HTTP token" in result.stderr


@pytest.mark.parametrize("content", [b"first-secret\nsecond line", b"", b"\xff\xfe"])
def test_a_secret_that_is_not_one_line_is_refused_and_not_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret").write_bytes(content)
    with pytest.raises(SecretUnreadable, match="--http-token-file") as refused:
        read_secret(tmp_path / "secret", "--http-token-file")
    assert "first-secret" not in str(refused.value)


def test_the_token_goes_to_the_worker_and_to_no_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("sécret")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    said = answered(b"HTTP/1.0 401 Unauthorized\r\n\r\n", "--http-token-file", str(tmp_path / "token"))
    assert "Authorization: Bearer sécret" in said.asked.decode()


def test_two_topics_with_one_name_are_refused() -> None:
    with pytest.raises(TopicsUnfit, match="different names"):
        topic_names(KafkaSettings(raw_topic="same", dead_topic="same"), WorkerSettings())


def test_label_cuts_nothing_in_a_pipe() -> None:
    text = "so happy " * 40 + "END"
    assert sum("END" in line for line in CliRunner().invoke(main, ["label", text]).stdout.splitlines()) == 1


def test_counts_are_followed_over_a_restart_of_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []
    module = import_module("worker.commands.counts")

    def fetch(_: str, window: str | None, __: Path | None) -> WindowCounts:
        asked.append(window)
        if len(asked) == 2:
            raise click.ClickException("no worker answers")
        if len(asked) == 4:
            raise KeyboardInterrupt
        return CountsView(WorkerSettings(), 1).window(60)

    monkeypatch.setattr(module, "fetch_counts", fetch)
    result = CliRunner().invoke(main, ["counts", "--every", "0.1"])
    assert (result.exit_code, asked) == (0, [None] * 4)
