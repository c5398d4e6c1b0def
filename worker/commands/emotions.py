"""How emotions look in a terminal."""

from rich.table import Table
from rich.text import Text

from schemas.counts import WindowCounts
from schemas.emotions import EMOTIONS, Emotion
from schemas.event import EmotionEvent

COLOURS: dict[Emotion, str] = {
    "sadness": "blue",
    "joy": "yellow",
    "love": "magenta",
    "anger": "red",
    "fear": "green",
    "surprise": "cyan",
}
_BAR_CHARACTERS = 20
_JOINERS = "\u200d\ufe0f"
"""Not printable by themselves, but emoji are joined and coloured with them."""


def bar(share: float, width: int = _BAR_CHARACTERS) -> str:
    """``share`` of ``width`` as a bar."""
    return "█" * round(share * width)


def printable(text: str) -> str:
    """A foreign text on one line, without what a terminal would obey: control and invisible format characters."""
    return "".join(c if c.isprintable() or c in _JOINERS else "�" for c in " ".join(text.split()))


def event_line(event: EmotionEvent) -> Text:
    """One labelled tweet as one coloured line."""
    colour = COLOURS[event.label]
    line = Text(f"{event.event_time:%H:%M:%S} ", style="dim")
    line.append(f"{event.label:<9}", style=f"bold {colour}" + (" dim" if event.abstained else ""))
    line.append(f"{event.confidence:4.0%} ", style=colour)
    line.append(f"{bar(event.confidence, 8):<8} ", style=colour)
    line.append(printable(event.text or event.tweet_id))
    return line


def counts_table(counts: WindowCounts) -> Table:
    """The rolling counts as a table; says when parts are late."""
    table = Table(title=f"last {counts.window_s:g} s, as of {counts.as_of:%H:%M:%S} UTC", title_justify="left")
    table.add_column("emotion")
    table.add_column("tweets", justify="right")
    table.add_column("share", width=_BAR_CHARACTERS + 5)
    table.add_column("confidence", justify="right")
    for emotion in EMOTIONS:
        share, confidence = counts.shares[emotion], counts.mean_confidence[emotion]
        table.add_row(
            Text(emotion, style=COLOURS[emotion]),
            str(counts.counts[emotion]),
            Text(f"{share:4.0%} {bar(share)}", style=COLOURS[emotion]),
            "" if confidence is None else f"{confidence:.2f}",
        )
    stale = [str(p.partition) for p in counts.partitions if p.stale]
    late = f"partitions {', '.join(stale)} are stale" if stale else f"{counts.late_s:.1f} s late"
    state = "complete" if counts.complete else "incomplete"
    table.caption = f"{counts.total} labelled, {counts.abstained} of them unsure, {counts.dead} dead; {state}, {late}"
    return table
