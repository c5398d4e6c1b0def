"""From the labels of a foreign set to targets over the six emotions; what is unknown is listed, never guessed."""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from schemas.emotions import EMOTIONS
from training.data.rows import NONE_OF_SIX, Target
from training.errors import DataUnreadable, LabelsUnknown

NONE: Final = "none"
"""What a label is mapped to that says: none of the six."""
Names = Mapping[str, tuple[str, ...]]
"""A label in lower case -> the emotions it stands for; empty: it says nothing about the six; `NONE`: none of them."""

USUAL: Final[Names] = {
    **{emotion: (emotion,) for emotion in EMOTIONS},
    "happiness": ("joy",),
    "happy": ("joy",),
    "sad": ("sadness",),
    "angry": ("anger",),
    "scared": ("fear",),
    "worry": ("fear",),
    "surprised": ("surprise",),
    NONE: (NONE,),
    "neutral": (NONE,),
}
"""Names that need no mapping file."""
_HEADERS: Final = frozenset({"label", "labels", "foreign", "theirs", "from"})
"""First cells that make the first line of a CSV mapping its header."""


def read_names(path: Path) -> Names:
    """A mapping file over `USUAL`: JSON ``{"foreign": "joy" | ["joy", "love"] | "none" | null}``, or CSV of two.

    In a CSV an empty second cell means that the label says nothing, as ``null`` does in JSON; a repeated label stands
    for several emotions; a header begins with ``label`` or ``foreign``.

    Raises:
        DataUnreadable: the file is missing, or neither.
        LabelsUnknown: it maps to what is none of the six.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        pairs = _csv_pairs(text) if path.suffix == ".csv" else _json_pairs(text)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise DataUnreadable(
            f'{path} is no label mapping ({error}); write JSON like {{"happiness": "joy", "boredom": null}}, '
            "or CSV lines like happiness,joy"
        ) from error
    given: dict[str, tuple[str, ...]] = {}
    for label, ours in pairs:
        if wrong := sorted(set(ours) - {*EMOTIONS, NONE}):
            raise LabelsUnknown(f"{path} maps {label!r} to {wrong[0]!r}; map to {', '.join(EMOTIONS)}, none or nothing")
        given[label] = (*given.get(label, ()), *ours)
    return {**USUAL, **given}


def _json_pairs(text: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(_folded(label), _tuple(ours)) for label, ours in json.loads(text).items()]


def _csv_pairs(text: str) -> list[tuple[str, tuple[str, ...]]]:
    rows = [row for row in csv.reader(text.splitlines()) if row]
    if wrong := [row for row in rows if len(row) != 2]:
        raise ValueError(f"a line of {len(wrong[0])} cells instead of 2: {','.join(wrong[0])}")
    pairs = [(_folded(label), _tuple(ours.strip() or None)) for label, ours in rows]
    is_header = bool(pairs) and pairs[0][0] in _HEADERS and bool(set(pairs[0][1]) - {*EMOTIONS, NONE})
    return pairs[1:] if is_header else pairs


def _tuple(ours: Any) -> tuple[str, ...]:
    if ours is None:
        return ()
    return tuple(_folded(name) for name in (ours if isinstance(ours, list) else [ours]))


def _folded(label: object) -> str:
    return str(label).strip().lower()


def target_of(labels: Iterable[str], names: Names) -> Target | None:
    """Equal shares for each emotion that the labels stand for.

    `NONE_OF_SIX` if there are no labels or one of them says so; None if all of them say nothing.

    Raises:
        KeyError: a label that ``names`` does not know.
    """
    folded = [_folded(label) for label in labels]
    if not folded:
        return NONE_OF_SIX
    ours = [emotion for label in folded for emotion in names[label]]
    emotions = [emotion for emotion in ours if emotion != NONE]
    if not emotions:
        return NONE_OF_SIX if ours else None
    return tuple(emotions.count(emotion) / len(emotions) for emotion in EMOTIONS)


def check_known(sources: Iterable[tuple[str, tuple[str, ...] | None]], names: Names) -> Counter[tuple[str, str]]:
    """How often each label stands in each source: (source, label) -> rows.

    Raises:
        LabelsUnknown: some have no place among the six and no mapping; all of them are listed with their counts.
    """
    counts = Counter((source, _folded(label)) for source, labels in sources for label in labels or ())
    unknown = {label: n for (_, label), n in counts.items() if label not in names}
    if unknown:
        for label in unknown:
            unknown[label] = sum(n for (_, other), n in counts.items() if other == label)
        listed = ", ".join(f"{label!r} ({n} rows)" for label, n in sorted(unknown.items(), key=lambda pair: -pair[1]))
        raise LabelsUnknown(
            f"unknown labels: {listed}; map each with --labels FILE to one or more of {', '.join(EMOTIONS)}, to none "
            "(none of the six) or to nothing (null, an empty cell: says nothing about them)"
        )
    return counts
