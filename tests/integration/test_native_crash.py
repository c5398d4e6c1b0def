"""A tweet that kills the process is found over restarts, and only it becomes a dead letter."""

import pytest

from tests.poisoned_worker import WORD
from tests.stream import Stream, wait_for

pytestmark = pytest.mark.integration

TWEETS = 60
POISONED = 23


@pytest.mark.parametrize("broker", ["embedded"], indirect=True)  # half a minute, and the broker plays no part
def test_a_tweet_that_kills_the_worker_becomes_a_dead_letter_and_no_other_does(stream: Stream) -> None:
    stream.command = ("tests.poisoned_worker",)
    values = [f"so happy {WORD if number == POISONED else number}".encode() for number in range(TWEETS)]
    stream.produce(values)
    starts = 0

    def supervised() -> bool:
        nonlocal starts
        if stream.process is None or stream.process.poll() is not None:
            starts += 1
            stream.start(POISON_MANNER="segfault")
        answer = stream.counts()
        return bool(answer["total"] + answer["dead"] >= TWEETS)

    wait_for(supervised, 120, lambda: stream.log.read_text()[-3000:])
    _, letters = stream.check_exact(TWEETS)
    assert [letter["reason"] for letter in letters] == ["killed_the_worker"]
    assert (letters[0]["source"]["partition"], letters[0]["source"]["offset"]) == (POISONED % 4, POISONED // 4)
    assert starts == 4
