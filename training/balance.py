"""Targets and weights against uneven classes and overconfidence. Pure."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.data.rows import LARGEST_OF_NONE

ClassWeights = Literal["none", "balanced", "effective"]
_BETA = 0.999


def balanced(targets: NDArray[np.float32], weights: NDArray[np.float32], rule: ClassWeights) -> NDArray[np.float32]:
    """Row weights ``[n]`` in which rare classes count for more; their mean stays as it was.

    A row counts as its target's mean over the weights of the classes: ``balanced`` one over the rows of a class,
    ``effective`` one over its effective number (Cui et al. 2019, beta 0.999), which grows more slowly. Classes without
    rows take no part, and rows that carry none of the six are rows of no class.

    Args:
        targets: float32 ``[n, 6]``, rows sum to 1.
        weights: float32 ``[n]``.
        rule: ``none`` leaves the weights as they are.
    """
    if rule == "none":
        return weights
    is_some = targets.max(axis=1) > LARGEST_OF_NONE
    rows = (targets * weights[:, None])[is_some].sum(axis=0)
    counts = rows if rule == "balanced" else (1 - _BETA**rows) / (1 - _BETA)
    of_class = np.where(rows > 0, 1 / np.maximum(counts, 1e-9), 0)
    new = weights * (targets @ of_class)
    return np.asarray(new * (weights.mean() / new.mean()), np.float32)


def smoothed(targets: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Targets of which ``share`` is spread evenly over the classes (label smoothing, Szegedy et al. 2016)."""
    return np.asarray((1 - share) * targets + share / targets.shape[1], np.float32)
