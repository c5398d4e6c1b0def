"""Options that the measurements share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from worker.commands.bench.load import make_load, read_texts


def load_options(tweets: int, runs: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a click command the options of its load; the arguments are the defaults."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in (
            click.option("--seed", type=int, default=1, show_default=True, help="another seed, another load"),
            click.option(
                "--repeats", type=click.FloatRange(0, 0.99), default=0.0, show_default=True, help="share of retweets"
            ),
            click.option(
                "--texts", type=click.Path(path_type=Path, exists=True), help="tweets of this file (JSON lines, CSV)"
            ),
            click.option("--runs", type=click.IntRange(1), default=runs, show_default=True, help="measured runs"),
            click.option("--tweets", type=click.IntRange(1), default=tweets, show_default=True, help="tweets in a run"),
        ):
            option(command)
        return command

    return decorate


def load_of(texts: Path | None, tweets: int, repeats: float, seed: int) -> list[str]:
    """The load that the options ask for."""
    return make_load(read_texts(texts), tweets, repeats=repeats, seed=seed)


def settings_of(**settings: Any) -> dict[str, Any]:
    """The options as they go into the JSON file."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in settings.items()}
