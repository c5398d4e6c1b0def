"""Readers of the data sets: each row becomes a raw text with a target over the six emotions, or with none."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from schemas.emotions import EMOTIONS
from training.errors import DataUnreadable, LabelsUnknown

csv.field_size_limit(10_000_000)

Target = tuple[float, ...]
NONE_OF_SIX: Target = (1 / 6,) * 6
"""Target of a tweet that people found to carry none of the six: the model shall not be sure of any."""

MAPPING = {
    "happiness": "joy",
    "happy": "joy",
    "sad": "sadness",
    "angry": "anger",
    "scared": "fear",
    "worry": "fear",
    "surprised": "surprise",
}
"""Foreign names of our emotions; labels in neither list are reported, never guessed."""


class Row(NamedTuple):
    """One labelled (or, with ``target`` None, unlabelled) text."""

    text: str
    target: Target | None
    source: str
    split: str
    """The split that the set itself has: train, val, test; empty where it has none."""


def target_of(labels: list[str]) -> Target:
    """Equal shares for each label; `NONE_OF_SIX` for an empty list.

    Raises:
        LabelsUnknown: a label is neither one of the six nor mapped to one.
    """
    names = [MAPPING.get(label.lower(), label.lower()) for label in labels]
    if unknown := sorted(set(names) - set(EMOTIONS)):
        raise LabelsUnknown(f"labels {unknown} are none of {', '.join(EMOTIONS)}; map them in the source's reader")
    if not names:
        return NONE_OF_SIX
    return tuple(names.count(emotion) / len(names) for emotion in EMOTIONS)


def _text(path: Path) -> io.TextIOWrapper:
    try:
        raw = gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115 - the reader closes it
        return io.TextIOWrapper(raw, encoding="utf-8", errors="replace", newline="")
    except OSError as error:
        raise DataUnreadable(f"cannot read {path}: {error.strerror}; check --data") from error


class _Tabs(csv.excel_tab):
    """Tab-separated without quoting: tweets hold single quotation marks."""

    quoting = csv.QUOTE_NONE


def _table(path: Path, delimiter: str, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    with _text(path) as file:
        tabs = delimiter == "\t"
        reader = csv.DictReader(file, dialect=_Tabs) if tabs else csv.DictReader(file, delimiter=delimiter)
        missing = [column for column in columns if column not in (reader.fieldnames or ())]
        if missing:
            raise DataUnreadable(f"{path} has no column {missing[0]!r}; it has {reader.fieldnames}")
        yield from reader


def dair(folder: Path) -> Iterator[Row]:
    """CARER, the split of ``dair-ai/emotion`` (Saravia et al. 2018): ``text;label``."""
    for split in ("train", "val", "test"):
        with _text(folder / "dair-ai-emotion" / f"{split}.txt.gz") as file:
            for line in file:
                text, _, label = line.strip().rpartition(";")
                if text:
                    yield Row(text, target_of([label]), "dair", split)


def semeval(folder: Path) -> Iterator[Row]:
    """SemEval-2018 task 1, E-c: several labels a tweet, given by people."""
    for row in _table(folder / "semeval2018-ec" / "train.tsv.gz", "\t", ("Tweet", *EMOTIONS)):
        yield Row(row["Tweet"], target_of([e for e in EMOTIONS if row[e] == "1"]), "semeval", "")


def tweeteval(folder: Path) -> Iterator[Row]:
    """TweetEval emotion: one label a tweet, given by people; its ``optimism`` is none of ours and left out."""
    for row in _table(folder / "tweeteval-emotion" / "train.tsv.gz", "\t", ("text", "label")):
        if row["label"] in EMOTIONS:
            yield Row(row["text"], target_of([row["label"]]), "tweeteval", "")


def goemotions(folder: Path) -> Iterator[Row]:
    """GoEmotions (Reddit): rows whose labels are all of ours, and neutral ones as none of the six."""
    with _text(folder / "goemotions" / "labels.txt") as file:
        names = file.read().split()
    with _text(folder / "goemotions" / "train.tsv.gz") as file:
        for number, line in enumerate(file):
            text, ids, _ = line.rstrip("\n").split("\t")
            labels = [names[int(i)] for i in ids.split(",")]
            if all(label in EMOTIONS for label in labels):
                yield Row(text, target_of(labels), "goemotions", "")
            elif labels == ["neutral"] and number % 5 == 0:
                yield Row(text, NONE_OF_SIX, "goemotions", "")


def emoint(folder: Path) -> Iterator[Row]:
    """WASSA-2017 EmoInt with its official parts; a benchmark set, its texts are in SemEval with better labels."""
    for split in ("train", "val", "test"):
        for row in _table(folder / "emoint" / f"emotion-labels-{split}.csv.gz", ",", ("text", "label")):
            yield Row(row["text"], target_of([row["label"]]), "emoint", split)


def unlabelled(folder: Path) -> Iterator[Row]:
    """Raw tweets for distillation; the labels that their sets have are not read."""
    for row in _table(folder / "crowdflower" / "text_emotion.csv.gz", ",", ("content",)):
        yield Row(row["content"], None, "crowdflower", "")
    for row in _table(folder / "airline" / "tweets.csv.gz", ",", ("text",)):
        yield Row(row["text"], None, "airline", "")
    with _text(folder / "tec" / "tweets.txt.gz") as file:
        for line in file:
            _, _, rest = line.partition("\t")
            yield Row(rest.rpartition("::")[0], None, "tec", "")


def own_file(path: Path) -> Iterator[Row]:
    """A team's own rows: JSONL of ``{"text", "label"}`` or ``{"text", "labels"}``, CSV/TSV with text and label."""
    name = path.name.removesuffix(".gz")
    if name.endswith((".csv", ".tsv")):
        for row in _table(path, "\t" if name.endswith(".tsv") else ",", ("text", "label")):
            yield Row(row["text"], target_of([row["label"]]), path.stem, row.get("split") or "")
        return
    with _text(path) as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
                labels = row["labels"] if "labels" in row else [row["label"]]
                yield Row(row["text"], target_of(labels), path.stem, row.get("split", ""))
            except (ValueError, KeyError, TypeError) as error:
                raise DataUnreadable(f"{path}, line {number}: no JSON with text and label ({error!r})") from error


SOURCES: dict[str, Callable[[Path], Iterator[Row]]] = {
    "dair": dair,
    "semeval": semeval,
    "tweeteval": tweeteval,
    "goemotions": goemotions,
    "emoint": emoint,
    "unlabelled": unlabelled,
}
MIXES = {
    "product": ("dair", "semeval", "tweeteval", "goemotions"),
    "dair": ("dair",),
    "emoint": ("emoint",),
}
"""``product``: what people judged, and CARER; hashtag labels (EmoInt, TEC) hurt there. The others are benchmarks."""
JUDGED_BY_PEOPLE = frozenset({"semeval", "tweeteval", "goemotions"})
