"""Commands of `python -m training` that documents name are commands that it takes."""

import re
import shlex
from pathlib import Path

import click
import pytest

from training.__main__ import main

ROOT = Path(__file__).parents[2]
PAGES = ["docs/training.md", "README.md", "Makefile"]


def commands(page: str) -> list[str]:
    text = (ROOT / page).read_text().replace("$$(", "(")
    found = re.findall(r"^\t?(?:\S*python) -m training (.*)$", text, re.MULTILINE)
    return [re.sub(r"\(.*\)", "FOLDER", line) for line in found]


@pytest.mark.parametrize("line", [line for page in PAGES for line in commands(page)])
def test_a_documented_command_parses(line: str) -> None:
    words = shlex.split(line, comments=True)
    command: click.Command = main
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    context = click.Context(command)
    values, rest, _ = command.make_parser(context).parse_args(words)
    missing = [one.name for one in command.params if one.required and one.name not in values]
    assert not rest or any(isinstance(one, click.Argument) for one in command.params)
    assert not missing


def test_the_walk_through_names_every_command() -> None:
    assert {line.split()[0] for line in commands("docs/training.md")} == set(main.commands)
