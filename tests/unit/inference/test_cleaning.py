import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests import plain_cleaning
from worker.commands.bench.load import read_texts
from worker.inference.cleaning import LONGEST_READ_CHARS, clean, has_words

PIECES = [*"@#&<>:;()/\\_^.'!|=*3aAbBxXdDoOtTnN019 \n\t\v\x00é’“…İßǅﬁ＆﹠"]
PIECES += [
    "&amp;",
    "&lt;",
    "&#38;",
    "&#x26;",
    "http://",
    "www.",
    "\\n",
    "\u200d",
    "\ufe0f",
    "\ud83d",
    "\udc4d",
    "ﷺ",
    "#A",
]
PIECES += [
    "\U0001f602",
    "\u2764",
    "\U0001f1e9",
    "Ã©",
    "â€™",
    "\u0345",
    "\u1e9e",
    "<url>",
    ":)",
    "<3",
    "\u0301",
    "\u0323",
]
NASTY = st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text(max_size=60)


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("Soooo HAPPY!!!!!!", "soo happy!!!"),
        ("@you see https://example.org/a?b=c now", "<user> see <url> now"),
        ("#BestDayEver #sad", "best day ever sad"),
        ("it\u2019s &amp;amp; that &lt;3", "it's & that :red heart:"),
        ("caf\u00c3\u00a9 time", "café time"),
        ("laugh \U0001f602\U0001f602", "laugh :face with tears of joy: :face with tears of joy:"),
        ("thumbs \U0001f44d\U0001f3fd", "thumbs :thumbs up:"),
        ("two\\nlines\nhere", "two lines here"),
        ("nul\x00 and zero\u200bwidth", "nul and zerowidth"),
        ("half \ud83d emoji", "half emoji"),
        ("so sad :'(", "so sad :crying face:"),
        ("mail me a@b.org", "mail me a@b.org"),
        ("see www.example.org now", "see <url> now"),
        ("awwww...so cute, ewww. why", "aww...so cute, eww. why"),
        ("buy https://example.org/?q=1&cat=angry&sort=2 & go", "buy <url> & go"),
        ("one\vtwo", "one two"),
        ("so happy " + "a" * 25_000, "so happy aa"),
        ("ab" * 12_500, "ab" * (LONGEST_READ_CHARS // 2)),
        ("\U0001f602" * 25_000, " ".join([":face with tears of joy:"] * 160)),
        ("\n" * 25_000 + "so happy", "so happy"),
        ("", ""),
    ],
)
def test_tweets_are_cleaned(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned


@settings(max_examples=1500)
@given(NASTY)
@example("#a@b")
@example("@a@b")
@example("htttp://")
@example("foo\\n@u")
@example("&#38;#38;#38;#38;lt;")
@example("&" + "amp;" * 50 + "lt;")
@example("&#" + "9" * 5000 + ";")
def test_cleaning_is_total_and_idempotent(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert once.encode("utf-8").decode() == once


@pytest.mark.parametrize(
    "unit", ["@", "#", "&", "<", ".", ":", "a", "A", "/", "&amp;", "&#38;", "http://", "@a", "#aB", ":(", "\U0001f602",
             "＆", "Ã", "â€", "\u0301", "\u0e48\u0e38", "\u094d\u093c", "\u0f73", "\ud83d", " ", "\\n", "_", "(", "x",
             "ﷺ", "İ"],
)  # fmt: skip
def test_cleaning_takes_linear_time_on_hostile_input(unit: str) -> None:
    def seconds(length: int) -> float:
        text = unit * (length // len(unit))
        started = time.thread_time()
        clean(text)
        return time.thread_time() - started

    clean(unit * 10)
    small, large = min(seconds(LONGEST_READ_CHARS // 4) for _ in range(3)), min(seconds(25_000) for _ in range(3))
    assert large < 12 * small + 0.01, "four times the length must not cost much more than four times the time"


@pytest.mark.parametrize(
    "raw",
    ["https://example.org", "@a @b", "\U0001f602\U0001f602", ":) <3", "!!! 123", "", "@a https://example.org \u2764"],
)
def test_what_has_no_words_is_recognised(raw: str) -> None:
    assert not has_words(clean(raw))


@pytest.mark.parametrize(
    "raw", ["ok", "@a no \U0001f602", "#sad", "note: this is: bad", ":so happy today:", "とても嬉しい"]
)
def test_what_has_words_is_scored(raw: str) -> None:
    assert has_words(clean(raw))


@given(NASTY)
@settings(max_examples=1500)
@example("`\u2019")
@example("a\\n@bob")
@example("\u2122\ufe0f:) &#8217;")
def test_the_fast_way_and_the_plain_way_give_the_same(text: str) -> None:
    assert clean(text) == plain_cleaning.clean(text)


def test_the_fast_way_and_the_plain_way_give_the_same_for_tweets_with_every_piece_put_in() -> None:
    for number, text in enumerate(read_texts()):
        middle = number % (len(text) + 1)
        for piece in PIECES:
            odd = text[:middle] + piece + text[middle:]
            assert clean(odd) == plain_cleaning.clean(odd)
