"""Figures of a classifier from its probabilities; all in numpy and scikit-learn."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support, precision_score, recall_score

from schemas.emotions import EMOTIONS

ECE_BINS = 15
_BOOTSTRAPS = 1000


def figures(probabilities: NDArray[np.float32], accepted: NDArray[np.bool_]) -> dict[str, Any]:
    """All figures of one test.

    Args:
        probabilities: float32 ``[n, 6]``.
        accepted: bool ``[n, 6]``; an answer counts if its column is true. The class figures take the answer as the
            truth where it is accepted, else the first accepted label.
    """
    given = probabilities.argmax(axis=1)
    right = accepted[np.arange(len(given)), given]
    truth = np.where(right, given, accepted.argmax(axis=1))
    present = sorted(set(truth.tolist()))
    precision, recall, f1, support = precision_recall_fscore_support(truth, given, labels=range(6), zero_division=0)
    low, high = interval(right)
    return {
        "rows": len(given),
        "accuracy": float(right.mean()),
        "accuracy_95": [low, high],
        "macro_precision": float(precision_score(truth, given, labels=present, average="macro", zero_division=0)),
        "micro_recall": float(recall_score(truth, given, labels=range(6), average="micro", zero_division=0)),
        "weighted_f1": float(f1_score(truth, given, average="weighted", zero_division=0)),
        "macro_f1": float(f1_score(truth, given, labels=present, average="macro", zero_division=0)),
        "ece": ece(probabilities, right),
        "classes": {
            emotion: {"precision": float(p), "recall": float(r), "f1": float(f), "rows": int(n)}
            for emotion, p, r, f, n in zip(EMOTIONS, precision, recall, f1, support, strict=True)
        },
        "confusion": confusion_matrix(truth, given, labels=range(6)).tolist(),
        "coverage": coverage_curve(probabilities, right),
    }


def ece(probabilities: NDArray[np.float32], right: NDArray[np.bool_]) -> float:
    """Expected calibration error, 15 bins of equal width (Guo et al. 2017)."""
    confidence = probabilities.max(axis=1)
    bins = np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)
    gaps = [
        abs(right[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).mean()
        for b in range(ECE_BINS)
        if (bins == b).any()
    ]
    return float(sum(gaps))


def interval(right: NDArray[np.bool_], seed: int = 13) -> tuple[float, float]:
    """95 % bootstrap interval of the accuracy."""
    draws = np.random.default_rng(seed).integers(0, len(right), (_BOOTSTRAPS, len(right)))
    low, high = np.quantile(right[draws].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)


def coverage_curve(probabilities: NDArray[np.float32], right: NDArray[np.bool_]) -> list[dict[str, float]]:
    """Share of tweets answered and accuracy on them, for rising confidence thresholds."""
    confidence = probabilities.max(axis=1)
    curve = []
    for threshold in np.arange(0.2, 1.0, 0.1):
        answered = confidence >= threshold
        accuracy = float(right[answered].mean()) if answered.any() else float("nan")
        curve.append(
            {"threshold": round(float(threshold), 2), "coverage": float(answered.mean()), "accuracy": accuracy}
        )
    return curve


def best_temperature(logits: NDArray[np.float32], accepted: NDArray[np.bool_]) -> float:
    """The temperature (Guo et al. 2017) whose confidences best foretell which answers people accept.

    It minimises the binary cross-entropy of the confidence against "the answer is one of the accepted labels" (bool
    ``[n, 6]``): where people gave several labels, that is what accuracy and calibration error mean.
    """
    right = accepted[np.arange(len(logits)), logits.argmax(axis=1)]

    def loss(log_temperature: float) -> float:
        scaled = logits.astype(np.float64) / np.exp(log_temperature)
        scaled -= scaled.max(axis=1, keepdims=True)
        confidence = np.clip(1 / np.exp(scaled).sum(axis=1), 1e-6, 1 - 1e-6)
        return float(-np.where(right, np.log(confidence), np.log1p(-confidence)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-2.5, 2.5), method="bounded").x))


def mcnemar(right_a: NDArray[np.bool_], right_b: NDArray[np.bool_]) -> dict[str, float]:
    """Exact McNemar test of two classifiers on the same rows (McNemar 1947)."""
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    p = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    return {"only_a_right": only_a, "only_b_right": only_b, "p_value": float(p)}
