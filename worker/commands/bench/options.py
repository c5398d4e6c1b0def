"""Options that the measurements share."""

import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from worker.commands.bench.load import make_load, read_texts
from worker.options import FiniteRange

_WARM_UP_RUNS = 4


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What the load options ask for."""

    tweets: int
    runs: int
    texts: Path | None
    repeats: float
    seed: int

    def load(self, length: int | None = None) -> list[str]:
        """The load of one run; with a ``length`` its tweets have so many words."""
        return self._make(self.tweets, length)

    def loads(self, length: int | None = None) -> list[list[str]]:
        """A load for the warm-up and one for every run: parts of one long load, so that no run finds cached answers.

        The warm-up is as long as four runs: Apache Kafka's virtual machine compiles for its first 50,000 tweets or so,
        on the cores that the worker needs.
        """
        warm_up = _WARM_UP_RUNS * self.tweets
        count = warm_up + self.runs * self.tweets
        whole = self._make(count, length)
        return [whole[:warm_up], *(whole[start : start + self.tweets] for start in range(warm_up, count, self.tweets))]

    def _make(self, count: int, length: int | None) -> list[str]:
        return make_load(read_texts(self.texts), count, repeats=self.repeats, seed=self.seed, length=length)


def load_options(tweets: int, runs: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a click command the options of its load, as ``asked``; the arguments are the defaults."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def call(**given: Any) -> Any:
            asked = LoadOptions(**{name: given.pop(name) for name in LoadOptions.__dataclass_fields__})
            return command(asked=asked, **given)

        for option in (
            click.option("--seed", type=int, default=1, show_default=True, help="another seed, another load"),
            click.option(
                "--repeats", type=FiniteRange(0, 0.99), default=0.0, show_default=True, help="share of retweets"
            ),
            click.option(
                "--texts", type=click.Path(path_type=Path, exists=True), help="tweets of this file (JSON lines, CSV)"
            ),
            click.option("--runs", type=click.IntRange(1), default=runs, show_default=True, help="measured runs"),
            click.option("--tweets", type=click.IntRange(1), default=tweets, show_default=True, help="tweets in a run"),
        ):
            option(call)
        return call

    return decorate


def settings_of(asked: LoadOptions, **settings: Any) -> dict[str, Any]:
    """The options as they go into the JSON file."""
    return {
        name: str(value) if isinstance(value, Path) else value for name, value in {**settings, **asdict(asked)}.items()
    }
