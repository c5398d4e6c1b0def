"""Commands that documents name are commands that the programs take; the tables of operations.md are complete."""

import re
import shlex
from pathlib import Path

import click
import pytest

from training.__main__ import main as training
from worker import errors
from worker.__main__ import main as worker
from worker.errors import WorkerError
from worker.health import STUCK_EXIT_CODE
from worker.metrics import Metrics
from worker.service import CRASHED_EXIT_CODE

ROOT = Path(__file__).parents[2]
PROGRAMS: dict[str, click.Group] = {"training": training, "worker": worker}
PAGES = ["README.md", "Makefile", "docs/training.md", "docs/operations.md", "docs/guarantees.md", "docs/performance.md"]


def commands(page: str) -> list[tuple[str, str]]:
    """Program and words of each command on a line of its own, or within a line between backticks."""
    text = (ROOT / page).read_text(encoding="utf-8").replace("$$(", "(").replace("$(ARGS)", "")
    found = re.findall(r"^\t?\S*python -m (worker|training) ([^`\n]*)$", text, re.MULTILINE)
    found += re.findall(r"`python -m (worker|training) ([^`]+)`", text)
    return [(program, re.sub(r"\(.*\)", "FOLDER", words)) for program, words in found]


@pytest.mark.parametrize(("program", "line"), [one for page in PAGES for one in commands(page)])
def test_a_documented_command_parses(program: str, line: str) -> None:
    words = shlex.split(line, comments=True)
    found: click.Command = PROGRAMS[program]
    context = click.Context(found)
    while isinstance(found, click.Group) and words:
        next_one = found.get_command(context, words.pop(0))
        assert next_one is not None
        found, context = next_one, click.Context(next_one)
    if isinstance(found, click.Group):
        return
    values, rest, _ = found.make_parser(context).parse_args(words)
    missing = [one.name for one in found.params if one.required and one.name not in values]
    assert not rest or any(isinstance(one, click.Argument) for one in found.params)
    assert not missing


def test_the_walk_through_names_every_command() -> None:
    assert {line.split()[0] for program, line in commands("docs/training.md") if program == "training"} == set(
        training.commands
    )


def test_every_exit_code_of_the_worker_is_told() -> None:
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, WorkerError)]
    assert told == {kind.exit_code for kind in kinds} | {
        0,
        click.UsageError.exit_code,
        STUCK_EXIT_CODE,
        CRASHED_EXIT_CODE,
    }


def test_every_metric_of_the_worker_is_told() -> None:
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    ours = [metric.name for metric in Metrics().registry.collect() if metric.name.startswith("tweet_emotions")]
    assert ours
    assert [name for name in ours if name.removeprefix("tweet_emotions") not in page] == []
