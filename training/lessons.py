"""What a model learns from: which rows, towards which targets, with which weights. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp

from schemas.emotions import EMOTIONS
from training.calibration import best_temperature
from training.data.rows import TARGETS, accepted, is_certain
from training.data.sources import JUDGED_BY_PEOPLE, VARIED
from training.errors import TooFewRows
from worker.inference.engine import softmax

WEIGHT_OF_NONE = 0.3
"""Rows that carry none of the six count for less: they shall lower the confidence, not dominate."""
WEIGHT_OF_NONE_TAUGHT = 0.5
"""With a teacher they may count for more: the soft labels keep the others in place."""
TEACHER_SHARE = 0.6
"""How much of a labelled row's target comes from the teacher (Hinton et al. 2015)."""
TEACHER_SHARE_OF_NONE = 0.3
LEAST_ROWS_OF_A_SOURCE = 100
_SEED_OF_SHARES = 5
LIKE = {"reddit": "goemotions"}
"""Unlabelled sources whose texts are like those of a labelled one; the others are like what people judged."""

Soft = NDArray[np.float32]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lesson:
    """Rows to learn from.

    Attributes:
        learned: bool ``[rows]``, which of the prepared rows.
        targets: float32 ``[learned, 6]``, each sums to 1.
        weights: float32 ``[learned]``.
        teachers: folders of those whose soft labels are in the targets.
    """

    learned: NDArray[np.bool_]
    targets: Soft
    weights: NDArray[np.float32]
    teachers: tuple[Path, ...] = ()


def plain_lesson(rows: pd.DataFrame) -> Lesson:
    """The training rows with the labels that they have."""
    learned = np.asarray(rows["split"] == "train")
    train = rows[learned]
    weights = np.where(is_certain(train), 1.0, WEIGHT_OF_NONE).astype(np.float32)
    return Lesson(learned, train[TARGETS].to_numpy(np.float32), weights)


def taught_rows(rows: pd.DataFrame, unlabelled_share: float) -> NDArray[np.bool_]:
    """The training rows and a share of the unlabelled ones, bool ``[rows]``; always the same ones.

    A run's seed does not change them: what teachers said of them is kept.
    """
    drawn = np.random.default_rng(_SEED_OF_SHARES).random(len(rows)) < unlabelled_share
    return np.asarray((rows["split"] == "train") | ((rows["split"] == "unlabelled") & drawn))


def taught_lesson(rows: pd.DataFrame, logits: Soft, learned: NDArray[np.bool_]) -> Lesson:
    """The ``learned`` rows with a teacher's soft labels mixed into those that they have.

    The teacher is first made honest for each source (see `temperatures`), so that the student's confidence suits the
    kind of text. Where people gave several labels the label's half of the target is shared among them as the teacher
    would (one step of expectation maximisation for "any of these is right", Jin and Ghahramani 2002): equal shares
    would teach to be unsure where every answer is accepted.

    Args:
        rows: all prepared rows.
        logits: float32 ``[rows, 6]``; needed where ``learned`` or in the validation split.
        learned: bool ``[rows]``.
    """
    soft = _tempered(rows, logits)[learned]
    part = rows[learned]
    gold, certain = part[TARGETS].to_numpy(np.float32), is_certain(part).to_numpy()
    unlabelled = np.isnan(gold).any(axis=1)
    none = ~certain & ~unlabelled
    within = accepted(gold) * soft
    labels = np.where(
        certain[:, None], within / np.maximum(within.sum(axis=1, keepdims=True), 1e-12), 1 / len(EMOTIONS)
    )
    share = np.select([unlabelled, none], [1.0, TEACHER_SHARE_OF_NONE], TEACHER_SHARE)[:, None]
    weights = np.where(none, WEIGHT_OF_NONE_TAUGHT, 1.0).astype(np.float32)
    return Lesson(learned, ((1 - share) * labels + share * soft).astype(np.float32), weights)


def blend(rows: pd.DataFrame, answers: Soft) -> tuple[Soft, dict[str, NDArray[np.float64]]]:
    """One teacher out of several: for each source the weighted mean of logits that foretells its labels best.

    The weights minimise the cross-entropy of "one of the accepted labels" on the validation rows of a source (stacking,
    Wolpert 1992, with weights that are not negative); a teacher that never saw a kind of text gets no say there.

    Args:
        rows: all prepared rows.
        answers: float32 ``[teachers, rows, 6]``, logits; needed where they are blended and in the validation split.

    Returns:
        Logits float32 ``[rows, 6]``, and for each source the weights ``[teachers]``, which sum to 1.

    Raises:
        TooFewRows: there are no validation rows.
    """

    def fitted(held_out: NDArray[np.bool_]) -> NDArray[np.float64]:
        return _weights(answers[:, held_out], accepted(rows.loc[held_out, TARGETS].to_numpy()))

    weights = _of_each_source(rows, fitted)
    of_row = np.stack([weights[source] for source in rows["source"]]).astype(np.float32)
    return np.einsum("rt,tre->re", of_row, answers), weights


def _weights(answers: Soft, given: NDArray[np.bool_]) -> NDArray[np.float64]:
    def loss(weights: NDArray[np.float64]) -> float:
        log_p = log_softmax(np.tensordot(weights, answers, axes=1), axis=1)
        return -float(logsumexp(np.where(given, log_p, -np.inf), axis=1).mean())

    even = np.full(len(answers), 1 / len(answers))
    found = minimize(loss, even, method="L-BFGS-B", bounds=[(0, None)] * len(answers)).x
    return found / found.sum() if found.sum() > 0 else even


def temperatures(rows: pd.DataFrame, logits: Soft) -> dict[str, float]:
    """For each source the temperature that makes the teacher's confidence honest on its validation rows.

    Raises:
        TooFewRows: there are no validation rows.
    """

    def fitted(held_out: NDArray[np.bool_]) -> float:
        return best_temperature(logits[held_out], accepted(rows.loc[held_out, TARGETS].to_numpy()))

    return _of_each_source(rows, fitted)


def _of_each_source(rows: pd.DataFrame, fitted: Callable[[NDArray[np.bool_]], T]) -> dict[str, T]:
    """What ``fitted`` finds on the validation rows of each source.

    Variations take what their source takes. Sources with fewer than a hundred such rows take what the source that they
    are like takes, else what fits all rows that people judged, else all.
    """
    held_out = np.asarray((rows["split"] == "val") & is_certain(rows))
    if not held_out.any():
        raise TooFewRows("no validation rows to fit a teacher on; prepare with more data")
    sources = rows["source"].to_numpy()
    judged = held_out & np.isin(sources, sorted(JUDGED_BY_PEOPLE))
    own = {
        str(source): fitted(held_out & (sources == source))
        for source in np.unique(sources)
        if (held_out & (sources == source)).sum() >= LEAST_ROWS_OF_A_SOURCE
    }
    other = fitted(judged if judged.sum() >= LEAST_ROWS_OF_A_SOURCE else held_out)
    found: dict[str, T] = {}
    for source in np.unique(sources):
        origin = str(source).removesuffix(VARIED)
        found[str(source)] = own.get(origin, own.get(LIKE.get(origin, ""), other))
    return found


def _tempered(rows: pd.DataFrame, logits: Soft) -> Soft:
    of_source = temperatures(rows, logits)
    temperature = rows["source"].map(of_source).to_numpy(np.float32)
    return softmax((logits / temperature[:, None]).astype(np.float32))
