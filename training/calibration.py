"""Whether a confidence of 0.8 is right eight times in ten, and the temperature that makes it so."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from worker.inference.engine import softmax

ECE_BINS = 15
LEAST_ROWS_TO_FIT = 30
"""Fewer rows tell nothing of a temperature."""
_DRAWS = 200


def reliability(probabilities: NDArray[np.float32], right: NDArray[np.bool_]) -> list[dict[str, float]]:
    """For each of 15 bins of equal width that holds an answer: its edges, rows, mean confidence and accuracy."""
    confidence = probabilities.max(axis=1)
    bins = np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)
    return [
        {
            "from": b / ECE_BINS,
            "to": (b + 1) / ECE_BINS,
            "rows": int((bins == b).sum()),
            "confidence": float(confidence[bins == b].mean()),
            "accuracy": float(right[bins == b].mean()),
        }
        for b in range(ECE_BINS)
        if (bins == b).any()
    ]


def ece(probabilities: NDArray[np.float32], right: NDArray[np.bool_]) -> float:
    """Expected calibration error, 15 bins of equal width (Guo et al. 2017)."""
    return ece_of(probabilities.max(axis=1), right)


def ece_of(confidence: NDArray[np.float32], right: NDArray[np.bool_]) -> float:
    """As `ece`, from the confidences ``[n]`` alone."""
    bins = np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)
    gaps = np.bincount(bins, weights=confidence, minlength=ECE_BINS) - np.bincount(bins, right, ECE_BINS)
    return float(np.abs(gaps).sum() / len(right))


def ece_by_chance(confidence: NDArray[np.float32], seed: int = 13) -> float:
    """The `ece` that perfectly calibrated answers with these confidences ``[n]`` have on average, for want of rows.

    Mean of 200 draws in which each answer is right as often as its confidence says (consistency resampling, Bröcker
    and Smith 2007). An error near it shows no fault.
    """
    random = np.random.default_rng(seed)
    draws = (ece_of(confidence, random.random(len(confidence)) < confidence) for _ in range(_DRAWS))
    return float(np.mean(list(draws)))


def retempered(
    probabilities: NDArray[np.float32], was: float, becomes: float | NDArray[np.float64] = 1.0
) -> NDArray[np.float32]:
    """What the softmax would have given with the temperature ``becomes`` instead of ``was``; float32 ``[n, 6]``.

    Args:
        probabilities: float32 ``[n, 6]``.
        was: the temperature that they were computed with.
        becomes: one for all, or ``[n, 1]``.
    """
    logits = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)) * (was / becomes)
    return softmax(logits.astype(np.float32))


def coverage_curve(probabilities: NDArray[np.float32], right: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Share of tweets answered and accuracy on them (None if none), for rising confidence thresholds."""
    confidence = probabilities.max(axis=1)
    curve = []
    for threshold in np.linspace(0.2, 0.98, 40):
        answered = confidence >= threshold
        accuracy = float(right[answered].mean()) if answered.any() else None
        curve.append(
            {"threshold": round(float(threshold), 2), "coverage": float(answered.mean()), "accuracy": accuracy}
        )
    return curve


def best_temperature(logits: NDArray[np.float32], accepted: NDArray[np.bool_]) -> float:
    """The temperature (Guo et al. 2017) whose confidences best foretell which answers people accept.

    It is 1 where there are few rows, or all answers are right, or all wrong: no confidence would be high or low enough.
    It minimises the binary cross-entropy of the confidence against "the answer is one of the accepted labels": where
    people gave several labels, that is what accuracy and calibration error mean.

    Args:
        logits: float32 ``[n, 6]``.
        accepted: bool ``[n, 6]``.
    """
    if len(logits) < LEAST_ROWS_TO_FIT:
        return 1.0
    right = accepted[np.arange(len(logits)), logits.argmax(axis=1)]
    if right.all() or not right.any():
        return 1.0

    def loss(log_temperature: float) -> float:
        scaled = logits.astype(np.float64) / np.exp(log_temperature)
        scaled -= scaled.max(axis=1, keepdims=True)
        confidence = np.clip(1 / np.exp(scaled).sum(axis=1), 1e-6, 1 - 1e-6)
        return -float(np.where(right, np.log(confidence), np.log1p(-confidence)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-2.5, 2.5), method="bounded").x))
