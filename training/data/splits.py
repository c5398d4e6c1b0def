"""Splits that are grouped, stratified and stable: no near-duplicate crosses one, a text always lands on its side."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.data.rows import TARGETS, is_certain
from training.errors import SettingUnfit, TooFewRows

LEAST_ROWS_OF_A_CLASS = 10
_TOLERANCE = 0.35
"""How far the share of a stratum may be from the wanted one, relative to it, before the order of hashes decides."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How groups without an official split are divided; the rest is train.

    Attributes:
        fold: another number holds out other groups.
    """

    val: float = 0.1
    test: float = 0.0
    fold: int = 0

    def __post_init__(self) -> None:
        """Something must be left to learn from.

        Raises:
            SettingUnfit: it is not.
        """
        if self.val + self.test >= 1:
            raise SettingUnfit(f"--val-share {self.val} and --test-share {self.test} leave no row to train on")


def place(group: str, fold: int = 0) -> float:
    """Where in [0, 1) the sha256 of a group of near-duplicates falls; the same in every run."""
    salted = group if fold == 0 else f"{fold}\x00{group}"
    return int(hashlib.sha256(salted.encode()).hexdigest()[:8], 16) / 2**32


def split_rows(frame: pd.DataFrame, shares: Shares) -> pd.Series:
    """The split of each row: the official one where the set has one, ``unlabelled`` without a target.

    Groups below the share of ``val`` on the scale of `place` are held out, those at its upper end are ``test``. Where
    that gives a stratum (the groups of one strongest class) a share that is more than a third off, its groups are taken
    in the order of their places instead, so that small classes are held out too. A set with an official train but no
    official validation part gives some of its train rows to validation.
    """
    splits_of = frame.groupby("source")["split"].agg(set)
    no_val = frame["source"].map(lambda source: "val" not in splits_of[source])
    divided = (frame["split"].eq("") | (frame["split"].eq("train") & no_val)) & frame[TARGETS[0]].notna()
    groups = frame[divided].drop_duplicates("group")
    strongest = groups[TARGETS].to_numpy().argmax(axis=1).astype(str)
    places = groups["group"].map(lambda group: place(group, shares.fold)).astype(float)
    val = pd.Series(False, index=groups.index)
    test = val.copy()
    for (official, _), part in places.groupby([groups["split"], strongest]):
        values = np.asarray(part, np.float64)
        val.loc[part.index] = _lowest(values, shares.val)
        test.loc[part.index] = _lowest(1 - values, 0.0 if official == "train" else shares.test)
    side = pd.Series(np.select([test, val], ["test", "val"], "train"), index=groups["group"].to_numpy())
    own = frame["split"].where(~divided, frame["group"].map(side))
    return own.mask(frame[TARGETS[0]].isna(), "unlabelled")


def _lowest(places: NDArray[np.float64], share: float) -> NDArray[np.bool_]:
    below: NDArray[np.bool_] = places < share
    wanted = round(share * len(places))
    if abs(int(below.sum()) - wanted) <= _TOLERANCE * wanted:
        return below
    lowest = np.zeros(len(places), bool)
    lowest[np.argsort(places, kind="stable")[:wanted]] = True
    return lowest


def without_leaks(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows to keep, and those dropped: train and unlabelled ones that recur in val or test, val ones in test."""
    in_test = frame["group"].isin(set(frame.loc[frame["split"] == "test", "group"]))
    in_val = frame["group"].isin(set(frame.loc[frame["split"] == "val", "group"]))
    leaks = (frame["split"].isin(("train", "unlabelled")) & (in_test | in_val)) | ((frame["split"] == "val") & in_test)
    return frame[~leaks], frame[leaks]


def check_classes(frame: pd.DataFrame, *, allow_empty: bool) -> None:
    """Every class must be learnable and measurable.

    Raises:
        TooFewRows: fewer than ten training rows of a class (none at all are fine with ``allow_empty``), or none in
            validation.
    """
    certain = frame[is_certain(frame)]
    train, val = (certain.loc[certain["split"] == split, TARGETS].sum() for split in ("train", "val"))
    poor = [
        f"{str(column).removeprefix('p_')} ({rows:.0f})"
        for column, rows in train.items()
        if rows < LEAST_ROWS_OF_A_CLASS and not (allow_empty and rows == 0 and train.any())
    ]
    if poor:
        raise TooFewRows(
            f"fewer than {LEAST_ROWS_OF_A_CLASS} training rows of {', '.join(poor)}: add rows, map more labels to "
            "them with --labels, or accept classes without any row with --allow-empty-classes"
        )
    unseen = [str(column).removeprefix("p_") for column in TARGETS if train[column] > 0 and val[column] == 0]
    if unseen:
        raise TooFewRows(
            f"no validation row of {', '.join(unseen)}: too few groups of near-duplicates to stratify; add rows, or "
            "raise --val-share"
        )
