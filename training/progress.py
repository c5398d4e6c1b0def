"""How far a long step is: a bar on a terminal, a plain line now and then elsewhere. On standard error."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

PLAIN_LINE_EVERY_S = 15.0
_ITEMS_A_STEP = 1000
A = TypeVar("A")
B = TypeVar("B")


@contextmanager
def watched(
    title: str, of: int, done: int = 0, *, console: Console | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[str], None]]:
    """Yields what to call after each of the ``of`` steps, of which ``done`` were done before, with a word on it."""
    console = console or Console(stderr=True)
    if console.is_terminal:
        with _bar(console) as bar:
            task = bar.add_task(title, total=of, completed=done, word="")
            yield lambda word: bar.update(task, advance=1, word=word)
    else:
        yield _plain_lines(title, of, done, console, clock)


def worked(title: str, items: Sequence[A], do: Callable[[A], B]) -> list[B]:
    """What ``do`` gives for each item, with a bar."""
    done: list[B] = []
    with watched(title, of=-(-len(items) // _ITEMS_A_STEP)) as advance:
        for start in range(0, len(items), _ITEMS_A_STEP):
            done += map(do, items[start : start + _ITEMS_A_STEP])
            advance("")
    return done


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[word]}", markup=False),
        console=console,
        transient=True,
    )


def _plain_lines(title: str, of: int, done: int, console: Console, clock: Callable[[], float]) -> Callable[[str], None]:
    began_s = told_s = clock()
    steps = done

    def advance(word: str) -> None:
        nonlocal steps, told_s
        steps += 1
        now_s = clock()
        if now_s - told_s >= PLAIN_LINE_EVERY_S:
            told_s = now_s
            left_s = (now_s - began_s) / (steps - done) * (of - steps)
            console.print(
                f"{title} step {steps}/{of} {word}, {left_s:.0f} s left".replace(" ,", ","),
                markup=False,
                emoji=False,
                highlight=False,
                soft_wrap=True,
            )

    return advance
