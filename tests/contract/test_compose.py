"""docker-compose.yml against the program it starts: every command and variable in it exists."""

from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from worker.__main__ import main
from worker.settings import KafkaSettings, WorkerSettings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if service.get("image") == "tweet-emotions"}
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()


@pytest.mark.parametrize("service", OURS)
def test_a_command_is_one_that_the_program_takes(service: str) -> None:
    name, *arguments = OURS[service]["command"]
    command = main.get_command(click.Context(main), name)
    assert command is not None
    command.make_context(name, list(arguments))


def test_files_that_commands_name_are_in_the_image() -> None:
    copied = {part for line in DOCKERFILE.splitlines() if line.startswith("COPY") for part in line.split()[1:-1]}
    for service in OURS.values():
        for argument in service["command"][1:]:
            if "/" in argument:
                assert (ROOT / argument).exists()
                assert argument.split("/")[0] in copied
    assert all((ROOT / source).exists() for source in copied)


def test_variables_are_settings() -> None:
    known = {f"KAFKA_{name.upper()}" for name in KafkaSettings.model_fields}
    known |= {f"WORKER_{name.upper()}" for name in WorkerSettings.model_fields}
    named = {
        word.split("=")[0] for line in DOCKERFILE.splitlines() if line.startswith("ENV") for word in line.split()[1:]
    }
    named |= {name for service in OURS.values() for name in service.get("environment", {})}
    assert named - {"PYTHONUNBUFFERED"} <= known


def test_the_worker_waits_for_its_topics_and_publishes_its_port_on_the_loopback_only() -> None:
    assert OURS["worker"]["depends_on"] == {"topics": {"condition": "service_completed_successfully"}}
    port = WorkerSettings.model_fields["http_port"].default
    assert OURS["worker"]["ports"] == [f"127.0.0.1:{port}:{port}"]
