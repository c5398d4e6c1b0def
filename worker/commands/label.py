"""``python -m worker label``: what would this tweet get?"""

import sys
from collections.abc import Iterator

import click
import orjson
from rich.console import Console
from rich.text import Text

from schemas.dead_letter import Reason
from schemas.emotions import EMOTIONS
from worker.commands.emotions import COLOURS, bar, printable
from worker.options import settings_options
from worker.settings import WorkerSettings


@click.command()
@click.argument("texts", nargs=-1, required=True)
@settings_options(worker=WorkerSettings, only=("bundle", "abstain_threshold", "max_text_chars", "threads"))
@click.option("--json", "as_json", is_flag=True, help="one JSON object a line")
def label(texts: tuple[str, ...], worker: WorkerSettings, as_json: bool) -> None:
    """Label TEXT... with the bundle, without Kafka; - reads lines from standard input."""
    from worker.decode import Failure, read_tweet
    from worker.inference.cleaning import clean, has_words
    from worker.inference.engine import load_engine
    from worker.labelling import DECIMALS

    engine = load_engine(worker.bundle, threads=worker.threads)
    threshold = engine.manifest.abstain_threshold if worker.abstain_threshold is None else worker.abstain_threshold
    console = Console(highlight=False, emoji=False)
    for text in _lines(texts):
        tweet, cleaned = read_tweet(text, worker.max_text_chars), clean(text)
        reason = tweet.reason if isinstance(tweet, Failure) else None if has_words(cleaned) else Reason.NO_WORDS
        row = engine.predict_cleaned([cleaned])[0].astype(float).round(DECIMALS) if reason is None else None
        answer: dict[str, object] = {"text": text, "cleaned": cleaned, "tokens": engine.tokens(cleaned)}
        if row is None:
            answer["reason"] = reason
        else:
            best = int(row.argmax())
            answer |= {
                "label": EMOTIONS[best],
                "confidence": float(row[best]),
                "abstained": bool(row[best] < threshold),
                "probabilities": dict(zip(EMOTIONS, row.tolist(), strict=True)),
            }
        if as_json:
            click.echo(orjson.dumps(answer))
            continue
        console.print(Text(printable(text), style="bold"), soft_wrap=True)
        console.print(f"  cleaned  {cleaned}", markup=False, soft_wrap=True)
        console.print(f"  tokens   {' | '.join(engine.tokens(cleaned))}", markup=False, soft_wrap=True)
        if row is None:
            console.print(f"  nothing to score: a dead letter ({reason})")
            continue
        for index in row.argsort()[::-1]:
            emotion = EMOTIONS[index]
            console.print(Text(f"  {emotion:<9}{row[index]:6.1%} {bar(float(row[index]))}", style=COLOURS[emotion]))
        if row.max() < threshold:
            console.print(f"  abstains: under {threshold:.0%}")


def _lines(texts: tuple[str, ...]) -> Iterator[str]:
    for text in texts:
        if text == "-":
            yield from (line.decode(errors="replace").rstrip("\r\n") for line in sys.stdin.buffer)
        else:
            yield text.encode(errors="surrogateescape").decode(errors="replace")
