"""The load: as many tweets as wanted, the same for the same seed."""

import random
from pathlib import Path

import click
import orjson

from schemas.tweet import LONGEST_TEXT_CHARS
from worker.commands.reading import SAMPLES, Columns, read_items
from worker.decode import Tweet, decode
from worker.inference.cleaning import clean, has_words

_POPULARITY = 0.1
"""Exponent of the Pareto law behind the repeats; the k-th text is repeated in proportion to k ** -1.1 (Zipf's law)."""

_MOST_IN_VAIN = 10_000
"""Variations in a row that say what another one says."""


def read_texts(path: Path | None = None) -> list[str]:
    """Texts of a file of tweets, or of the samples; what would be a dead letter is left out.

    Raises:
        click.ClickException: the file cannot be read or holds no tweet.
    """
    items = read_items(str(path or SAMPLES), Columns())
    read = (decode(item.value, max_text_chars=LONGEST_TEXT_CHARS) for item in items)
    texts = [tweet.text for tweet in read if isinstance(tweet, Tweet) and has_words(clean(tweet.text))]
    if not texts:
        raise click.ClickException(f"{path} holds no tweet with words")
    return texts


def make_load(
    texts: list[str], count: int, *, repeats: float = 0.0, seed: int = 1, length: int | None = None
) -> list[str]:
    """``count`` tweets, of which a share of ``repeats`` say what an earlier one said, popular ones oftener (Zipf).

    The others are all different, also after cleaning: first ``texts`` in a shuffled order, then variations in which
    one to three words are replaced by words of other texts, so that lengths and vocabulary stay as they are. With a
    ``length`` each is so many words of ``texts``, drawn at random.

    Raises:
        click.ClickException: their words give no so many different tweets.
    """
    chance = random.Random(seed)  # noqa: S311 - a load, not a secret
    words = [word for text in texts for word in text.split()]
    waiting = [] if length else chance.sample(texts, len(texts))
    distinct: list[str] = []
    seen: set[str] = set()
    out: list[str] = []
    in_vain = 0
    while len(out) < count:
        if distinct and chance.random() < repeats:
            out.append(distinct[_rank(chance, len(distinct)) - 1])
            continue
        if length:
            text = " ".join(chance.choices(words, k=length))
        else:
            text = waiting.pop() if waiting else _varied(chance.choice(texts), words, chance)
        if (cleaned := clean(text)) not in seen and has_words(cleaned):
            seen.add(cleaned)
            distinct.append(text)
            out.append(text)
            in_vain = 0
        elif (in_vain := in_vain + 1) > _MOST_IN_VAIN:
            raise click.ClickException(
                f"of {len(texts)} texts no {count} different ones can be made; take fewer --tweets"
            )
    return out


def _varied(text: str, words: list[str], chance: random.Random) -> str:
    parts = text.split()
    for _ in range(chance.randint(1, 3)):
        parts[chance.randrange(len(parts))] = chance.choice(words)
    return " ".join(parts)


def _rank(chance: random.Random, most: int) -> int:
    while True:
        rank = chance.paretovariate(_POPULARITY)
        if rank < most + 1:
            return int(rank)


def raw_values(texts: list[str]) -> list[bytes]:
    """The tweets as values of the raw topic."""
    return [orjson.dumps({"id": str(number), "text": text}) for number, text in enumerate(texts)]
