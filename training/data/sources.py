"""Readers of the public sets, in the layout that docs/training.md names, and the mixes made of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from schemas.emotions import EMOTIONS
from training.data.lines import open_lines
from training.data.merging import Conflicts
from training.data.rows import Row
from training.data.splits import Shares
from training.data.tables import Columns, read_table
from training.errors import SettingUnfit

_FOREIGN = "carries a label that is none of the six"


def dair(folder: Path) -> Iterator[Row]:
    """CARER, the split of ``dair-ai/emotion`` (Saravia et al. 2018): ``text;label``."""
    for split in ("train", "val", "test"):
        for line in open_lines(folder / "dair-ai-emotion" / f"{split}.txt.gz", "utf-8"):
            text, _, label = line.strip().rpartition(";")
            if text:
                yield Row(text, (label,), "dair", split)


def semeval(folder: Path) -> Iterator[Row]:
    """SemEval-2018 task 1, E-c: several labels a tweet, given by people; those that are none of ours say nothing."""
    path = folder / "semeval2018-ec" / "train.tsv.gz"
    columns = [read_table(path, Columns(text="Tweet", label=emotion)) for emotion in EMOTIONS]
    for rows in zip(*columns, strict=True):
        labels = tuple(emotion for emotion, row in zip(EMOTIONS, rows, strict=True) if row.labels == ("1",))
        yield rows[0]._replace(labels=labels, source="semeval")


def tweeteval(folder: Path) -> Iterator[Row]:
    """TweetEval emotion: one label a tweet, given by people; its ``optimism`` is none of ours and left out."""
    for row in read_table(folder / "tweeteval-emotion" / "train.tsv.gz", Columns(), "tweeteval"):
        yield row if set(row.labels or ()) <= set(EMOTIONS) else row._replace(left_out=_FOREIGN)


def goemotions(folder: Path) -> Iterator[Row]:
    """GoEmotions (Reddit): rows whose labels are all of ours, and neutral ones as none of the six."""
    names = "".join(open_lines(folder / "goemotions" / "labels.txt", "utf-8")).split()
    for line in open_lines(folder / "goemotions" / "train.tsv.gz", "utf-8"):
        text, ids, _ = line.rstrip("\r\n").split("\t")
        labels = tuple(names[int(i)] for i in ids.split(","))
        row = Row(text, labels, "goemotions")
        yield row if labels == ("neutral",) or set(labels) <= set(EMOTIONS) else row._replace(left_out=_FOREIGN)


def emoint(folder: Path) -> Iterator[Row]:
    """WASSA-2017 EmoInt with its official parts; a benchmark set, its texts are in SemEval with better labels."""
    for split in ("train", "val", "test"):
        for row in read_table(folder / "emoint" / f"emotion-labels-{split}.csv.gz", Columns(), "emoint"):
            yield row._replace(split=split)


def emoint_together(folder: Path) -> Iterator[Row]:
    """EmoInt without its parts, for a split of our own."""
    for row in emoint(folder):
        yield row._replace(split="")


def unlabelled(folder: Path) -> Iterator[Row]:
    """Raw tweets and Reddit comments for distillation; the labels that their sets have are not read."""
    yield from read_table(
        folder / "crowdflower" / "text_emotion.csv.gz", Columns(text="content", label=None), "crowdflower"
    )
    yield from read_table(folder / "airline" / "tweets.csv.gz", Columns(label=None), "airline")
    for line in open_lines(folder / "tec" / "tweets.txt.gz", "utf-8"):
        _, _, rest = line.partition("\t")
        yield Row(rest.rpartition("::")[0], None, "tec")
    for line in open_lines(folder / "goemotions" / "train.tsv.gz", "utf-8"):
        yield Row(line.split("\t")[0], None, "reddit")


class Source(NamedTuple):
    """A public set: its reader, and what a model card says of it."""

    read: Callable[[Path], Iterator[Row]]
    title: str
    licence: str


SOURCES: dict[str, Source] = {
    "dair": Source(dair, "CARER, dair-ai/emotion (Saravia et al. 2018)", "research and education only"),
    "semeval": Source(semeval, "SemEval-2018 task 1, E-c (Mohammad et al. 2018)", "research only"),
    "tweeteval": Source(tweeteval, "TweetEval emotion (Barbieri et al. 2020)", "research only"),
    "goemotions": Source(goemotions, "GoEmotions (Demszky et al. 2020)", "Apache-2.0"),
    "emoint": Source(emoint, "WASSA-2017 EmoInt (Mohammad and Bravo-Marquez 2017)", "research only"),
    "emoint-together": Source(
        emoint_together, "WASSA-2017 EmoInt (Mohammad and Bravo-Marquez 2017), its parts together", "research only"
    ),
    "unlabelled": Source(
        unlabelled, "CrowdFlower, airline, TEC and GoEmotions texts without their labels", "see their sources"
    ),
}
_UNLABELLED = {
    "crowdflower": ("CrowdFlower emotion in text, without its labels", "not stated"),
    "airline": ("Twitter US airline sentiment, without its labels", "CC BY-NC-SA 4.0"),
    "tec": ("Twitter Emotion Corpus (Mohammad 2012), without its labels", "research only"),
    "reddit": ("GoEmotions (Demszky et al. 2020), without its labels", "Apache-2.0"),
}
JUDGED_BY_PEOPLE = frozenset({"semeval", "tweeteval", "goemotions"})
VARIED = ", varied"
"""Ends the name of a source whose texts are variations of the training texts of another."""


def check_own(path: Path, source: str) -> None:
    """The rows of an own file or folder must not pass for those of a public set: its credit, its rules.

    Raises:
        SettingUnfit: ``source``, what they would be filed under, is the name of one.
    """
    if source in SOURCES or source in _UNLABELLED or source.endswith(VARIED):
        raise SettingUnfit(
            f"{path}: {source!r} is what rows of a public set are filed under; rename it, e.g. my-{source}"
        )


def credit(source: str) -> tuple[str, str]:
    """Title and licence note of a source as it stands in prepared rows; own files are the team's own matter."""
    if source.endswith(VARIED):
        title, licence = credit(source.removesuffix(VARIED))
        return f"variations of {title}", licence
    if source in SOURCES:
        return SOURCES[source].title, SOURCES[source].licence
    return _UNLABELLED.get(source, (f"{source} (own rows)", "known to whoever brought them"))


@dataclass(frozen=True, slots=True)
class Mix:
    """Sets that are prepared together, and how.

    Attributes:
        shares: how rows without an official split are divided.
        conflicts: what happens to equal texts with different labels.
        classes: how many of the six it has.
        joins_copies: whether retweets and copies with other emoji stand on one side (`group_key`); the public sets were
            divided without, and what was learned and measured shall stay comparable.
    """

    sources: tuple[str, ...]
    shares: Shares = field(default_factory=Shares)
    conflicts: Conflicts = "mean"
    classes: int = len(EMOTIONS)
    joins_copies: bool = False


MIXES = {
    "product": Mix(("dair", "semeval", "tweeteval", "goemotions")),
    "dair": Mix(("dair",)),
    "emoint": Mix(("emoint",), classes=4),
    "emoint-grouped": Mix(("emoint-together",), Shares(val=0.07, test=0.3), "first", classes=4),
}
"""``product``: what people judged, and CARER; hashtag labels (EmoInt, TEC) hurt there. The others are benchmarks."""
