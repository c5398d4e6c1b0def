import numpy as np
import pytest

from training.balance import balanced, smoothed

TARGETS = np.eye(6, dtype=np.float32)[[0] * 8 + [1] * 2]
WEIGHTS = np.ones(10, np.float32)


def test_balanced_classes_weigh_the_same_together_and_the_mean_stays() -> None:
    weights = balanced(TARGETS, WEIGHTS, "balanced")
    assert weights[:8].sum() == pytest.approx(weights[8:].sum())
    assert weights.mean() == pytest.approx(1)


def test_effective_numbers_raise_rare_classes_less() -> None:
    targets = np.repeat(np.eye(6, dtype=np.float32)[:2], [4000, 400], axis=0)
    ones = np.ones(len(targets), np.float32)
    ratios = [float(w[-1] / w[0]) for w in (balanced(targets, ones, rule) for rule in ("balanced", "effective"))]
    assert ratios[0] == pytest.approx(10)
    assert 1 < ratios[1] < 4


def test_none_leaves_the_weights_and_smoothing_keeps_the_sum() -> None:
    assert balanced(TARGETS, WEIGHTS, "none") is WEIGHTS
    soft = smoothed(TARGETS, 0.12)
    np.testing.assert_allclose(soft.sum(axis=1), 1, rtol=1e-6)
    assert soft[0, 0] == pytest.approx(0.9)


def test_rows_that_carry_none_of_the_six_are_rows_of_no_class() -> None:
    none = np.full((20, 6), 1 / 6, np.float32)
    weights = balanced(np.concatenate([TARGETS, none]), np.ones(30, np.float32), "balanced")
    assert weights[:8].sum() == pytest.approx(weights[8:10].sum())
