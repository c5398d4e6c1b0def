import io
from collections.abc import Iterator

from rich.console import Console

from training.progress import PLAIN_LINE_EVERY_S, watched


def told(of: int, done: int, step_s: float) -> list[str]:
    out = io.StringIO()
    clock: Iterator[float] = iter([step_s * n for n in range(of + 1)])
    with watched(
        "epoch 1/2 [/own]", of, done, console=Console(file=out, width=40), clock=lambda: next(clock)
    ) as advance:
        for _ in range(of - done):
            advance("loss 0.5")
    return out.getvalue().splitlines()


def test_a_log_gets_a_line_now_and_then_with_the_time_that_is_left() -> None:
    lines = told(of=8, done=2, step_s=PLAIN_LINE_EVERY_S / 2)
    assert lines == [
        "epoch 1/2 [/own] step 4/8 loss 0.5, 30 s left",
        "epoch 1/2 [/own] step 6/8 loss 0.5, 15 s left",
        "epoch 1/2 [/own] step 8/8 loss 0.5, 0 s left",
    ]


def test_what_is_soon_done_stays_quiet() -> None:
    assert told(of=3, done=0, step_s=1) == []


def test_a_terminal_gets_a_bar() -> None:
    out = io.StringIO()
    with watched("asking [/own]", 2, console=Console(file=out, force_terminal=True, width=80)) as advance:
        advance("a")
        advance("b")
    assert "asking [/own]" in out.getvalue()
