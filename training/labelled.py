"""Labelled rows to measure a bundle with: own files, or a split of a prepared folder."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.labels import Names, check_known, target_of
from training.data.rows import LARGEST_OF_NONE, TARGETS, Target, accepted, is_certain, read_rows
from training.data.tables import Columns, read_table
from training.errors import TooFewRows
from worker.inference.cleaning import clean, has_words


@dataclass(frozen=True, slots=True)
class Labelled:
    """Texts and what people accept for them.

    Attributes:
        name: what the figures are filed under.
        accepted: bool ``[n, 6]``, at least one true in a row.
        empty: texts that people found to carry none of the six.

    A text without words is in neither: the worker labels none.
    """

    name: str
    texts: list[str]
    accepted: NDArray[np.bool_]
    empty: list[str]

    @property
    def sha256(self) -> str:
        """Hex digest over texts and accepted labels in order."""
        digest = hashlib.sha256()
        for text, row in zip(self.texts, self.accepted, strict=True):
            digest.update(text.encode("utf-8", "surrogatepass") + b"\x00" + np.packbits(row).tobytes())
        return digest.hexdigest()


def from_file(path: Path, columns: Columns, names: Names) -> Labelled:
    """The labelled rows of one own file.

    Raises:
        TooFewRows: none of them carries one of the six.
        DataUnreadable, LabelsUnknown: the file does not fit.
    """
    rows = list(read_table(path, replace(columns, split=None)))
    check_known(((row.source, row.labels) for row in rows), names)
    pairs = [(row.text, target_of(row.labels, names)) for row in rows if row.labels is not None]
    return _labelled(str(path), [(text, target) for text, target in pairs if target is not None])


def from_prepared(folder: Path, split: str, source: str | None = None) -> Iterator[Labelled]:
    """One for each source that has rows with one of the six in this split of a prepared folder, or for the one named.

    Raises:
        DataUnreadable: the folder is not prepared.
        TooFewRows: there are no such rows.
    """
    frame = read_rows(folder)
    frame = frame[(frame["split"] == split) & frame[TARGETS[0]].notna()]
    is_some = is_certain(frame)
    found = [
        (str(name), part)
        for name, part in frame.groupby("source")
        if source == name or (source is None and is_some[part.index].any())
    ]
    if not found:
        has = ", ".join(sorted(set(frame["source"]))) or "no rows at all"
        raise TooFewRows(f"{folder} has no {split} rows of {source or 'any source'}; this split has {has}")
    for name, part in found:
        targets = [tuple(row) for row in part[TARGETS].to_numpy(np.float64)]
        yield _labelled(f"{name} {split}", list(zip(part["text"], targets, strict=True)))


def _labelled(name: str, pairs: Sequence[tuple[str, Target]]) -> Labelled:
    pairs = [(text, target) for text, target in pairs if has_words(clean(text))]
    certain = [(text, target) for text, target in pairs if max(target) > LARGEST_OF_NONE]
    if not certain:
        raise TooFewRows(f"{name} holds no rows with one of the six; check its labels, or map them with --labels")
    empty = [text for text, target in pairs if max(target) <= LARGEST_OF_NONE]
    given = accepted(np.asarray([target for _, target in certain], np.float32))
    return Labelled(name, [text for text, _ in certain], given, empty)
