"""``python -m worker tail``: labelled events as they come."""

import click
from pydantic import ValidationError
from rich.console import Console, OverflowMethod

from schemas.emotions import EMOTIONS
from schemas.event import EmotionEvent
from worker.commands.consuming import read_topic
from worker.commands.emotions import event_line
from worker.options import FiniteRange, settings_options
from worker.settings import CONNECTION, KafkaSettings


@click.command()
@settings_options(kafka=KafkaSettings, only=(*CONNECTION, "emotion_topic"))
@click.option("--label", "labels", type=click.Choice(EMOTIONS), multiple=True, help="only these emotions")
@click.option("--min-confidence", type=FiniteRange(0, 1), default=0.0, help="only events at least this sure")
@click.option("--from-beginning", is_flag=True, help="start with the oldest event that is kept")
@click.option("--no-follow", is_flag=True, help="end at the end of the topic")
@click.option("--limit", type=click.IntRange(1), help="end after so many events")
@click.option("--json", "as_json", is_flag=True, help="the events as they are, one a line")
def tail(
    kafka: KafkaSettings,
    labels: tuple[str, ...],
    min_confidence: float,
    from_beginning: bool,
    no_follow: bool,
    limit: int | None,
    as_json: bool,
) -> None:
    """Show labelled events, live or from the beginning, filtered by emotion and confidence."""
    console = Console(highlight=False)
    overflow: OverflowMethod = "ellipsis" if console.is_terminal else "ignore"
    shown = 0
    try:
        for message in read_topic(kafka, kafka.emotion_topic, from_beginning=from_beginning, follow=not no_follow):
            event = _read(message.value() or b"")
            if event is None or event.confidence < min_confidence or (labels and event.label not in labels):
                continue
            if as_json:
                click.echo(event.model_dump_json())
            else:
                console.print(event_line(event), no_wrap=True, overflow=overflow, crop=console.is_terminal)
            shown += 1
            if shown == limit:
                return
    except KeyboardInterrupt:
        return


def _read(value: bytes) -> EmotionEvent | None:
    try:
        return EmotionEvent.model_validate_json(value)
    except ValidationError as error:
        click.echo(f"skipped a record that is no event: {error.errors()[0]['msg']}", err=True)
        return None
