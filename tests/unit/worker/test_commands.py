import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from click.testing import CliRunner

from worker.__main__ import COMMANDS, main


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


def test_what_answers_on_the_port_and_is_no_worker_is_said_in_one_line() -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        result = CliRunner().invoke(main, ["counts", "--once", "--http-port", str(server.server_port)])
        thread.join()
    assert result.exit_code == 1
    assert "what answers there is no worker" in result.stderr


def test_a_token_that_cannot_be_read_is_said_in_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["counts", "--once", "--http-token-file", str(tmp_path / "none")])
    assert result.exit_code == 1
    assert "cannot read the HTTP token" in result.stderr
