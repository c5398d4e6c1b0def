"""Figures of a classifier from its probabilities; all in numpy and scikit-learn."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import (
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
    precision_score,
    recall_score,
    roc_auc_score,
)

from schemas.emotions import EMOTIONS
from training.calibration import coverage_curve, ece, ece_by_chance, reliability

_BOOTSTRAPS = 1000
_CLASSES = len(EMOTIONS)


def figures(probabilities: NDArray[np.float32], accepted: NDArray[np.bool_]) -> dict[str, Any]:
    """All figures of one test.

    Each row has one answer, so its micro recall is its accuracy; published figures name both.

    Args:
        probabilities: float32 ``[n, 6]``.
        accepted: bool ``[n, 6]``; an answer counts if its column is true. The class figures take the answer as the
            truth where it is accepted, else the first accepted label.
    """
    given, truth, right = answers(probabilities, accepted)
    present = sorted(set(truth.tolist()))
    precision, recall, f1, support = precision_recall_fscore_support(truth, given, labels=range(6), zero_division=0)
    return {
        "rows": len(given),
        "accuracy": float(right.mean()),
        "macro_precision": float(precision_score(truth, given, labels=present, average="macro", zero_division=0)),
        "micro_recall": float(recall_score(truth, given, labels=range(6), average="micro", zero_division=0)),
        "weighted_f1": float(f1_score(truth, given, average="weighted", zero_division=0)),
        "macro_f1": float(f1_score(truth, given, labels=present, average="macro", zero_division=0)),
        "ece": ece(probabilities, right),
        "ece_by_chance": ece_by_chance(probabilities.max(axis=1)),
        **intervals(given, truth),
        "mean_confidence": float(probabilities.max(axis=1).mean()),
        "classes": {
            emotion: {"precision": float(p), "recall": float(r), "f1": float(f), "rows": int(n)}
            for emotion, p, r, f, n in zip(EMOTIONS, precision, recall, f1, support, strict=True)
        },
        "confusion": confusion_matrix(truth, given, labels=range(6)).tolist(),
        "reliability": reliability(probabilities, right),
        "coverage": coverage_curve(probabilities, right),
    }


def answers(
    probabilities: NDArray[np.float32], accepted: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    """The class given, the class taken as the truth, and whether the answer is accepted; each ``[n]``."""
    given = probabilities.argmax(axis=1)
    return given, *judged(given, accepted)


def judged(given: NDArray[np.intp], accepted: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Of classes given ``[n]`` the class taken as the truth, and whether the answer is accepted; each ``[n]``."""
    right: NDArray[np.bool_] = accepted[np.arange(len(given)), given]
    return np.where(right, given, accepted.argmax(axis=1)), right


def macro_f1(confusion: NDArray[np.int64]) -> float:
    """Mean F1 of the classes that have rows, from a confusion matrix ``[6, 6]`` with the truth in its rows."""
    right = np.diag(confusion)
    truth, given = confusion.sum(axis=1), confusion.sum(axis=0)
    present = truth > 0
    return float((2 * right[present] / (truth + given)[present]).mean())


def intervals(given: NDArray[np.intp], truth: NDArray[np.intp], seed: int = 13) -> dict[str, list[float]]:
    """95 % bootstrap intervals (Efron 1979, percentiles of 1,000 resamples of the rows) of three figures.

    Where all answers are right or all wrong, so are those of every resample, which would make ten rows look like
    certainty: there accuracy has the exact interval (Clopper and Pearson 1934). The calibration error gets none:
    resampling adds to it (compare `ece_by_chance`).
    """
    random = np.random.default_rng(seed)
    right, pairs = given == truth, truth * _CLASSES + given
    drawn: dict[str, list[float]] = {name: [] for name in ("accuracy_95", "macro_f1_95", "weighted_f1_95")}
    for _ in range(_BOOTSTRAPS):
        rows = random.integers(0, len(given), len(given))
        confusion = np.bincount(pairs[rows], minlength=_CLASSES**2).reshape(_CLASSES, _CLASSES)
        drawn["accuracy_95"].append(float(right[rows].mean()))
        drawn["macro_f1_95"].append(macro_f1(confusion))
        drawn["weighted_f1_95"].append(_weighted_f1(confusion))
    edges = {name: [float(edge) for edge in np.quantile(values, (0.025, 0.975))] for name, values in drawn.items()}
    if right.all() or not right.any():
        exact = binomtest(int(right.sum()), len(right)).proportion_ci()
        edges["accuracy_95"] = [float(exact.low), float(exact.high)]
    return edges


def _weighted_f1(confusion: NDArray[np.int64]) -> float:
    truth, given = confusion.sum(axis=1), confusion.sum(axis=0)
    f1 = 2 * np.diag(confusion) / np.maximum(truth + given, 1)
    return float((f1 * truth).sum() / truth.sum())


def auroc(higher: NDArray[np.float32], lower: NDArray[np.float32]) -> float:
    """Area under the ROC curve: the chance that one of ``higher`` stands above one of ``lower``, a tie counts half."""
    truth = np.repeat([True, False], [len(higher), len(lower)])
    return float(roc_auc_score(truth, np.concatenate([higher, lower])))


def mcnemar(right_a: NDArray[np.bool_], right_b: NDArray[np.bool_]) -> dict[str, float]:
    """Exact McNemar test of two classifiers on the same rows (McNemar 1947)."""
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    p = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    return {"only_a_right": only_a, "only_b_right": only_b, "p_value": float(p)}


def difference_95(right_a: NDArray[np.bool_], right_b: NDArray[np.bool_], seed: int = 13) -> list[float]:
    """95 % bootstrap interval of the accuracy of B minus that of A on the same rows."""
    rows = len(right_a)
    shares = np.asarray([(right_b & ~right_a).sum(), (right_a & ~right_b).sum(), (right_a == right_b).sum()]) / rows
    better, worse, _ = np.random.default_rng(seed).multinomial(rows, shares, _BOOTSTRAPS).T
    return [float(edge) for edge in np.quantile((better - worse) / rows, (0.025, 0.975))]
