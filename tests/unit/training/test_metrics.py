import math

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from training.calibration import best_temperature, coverage_curve, ece, ece_by_chance, reliability, retempered
from training.evaluation import slices
from training.metrics import _weighted_f1, answers, auroc, difference_95, figures, intervals, macro_f1, mcnemar
from worker.inference.engine import softmax


def sample(rows: int = 400, sharpness: float = 2.0) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Logits and one accepted label each, drawn from the softmax of these logits: honest at temperature 1."""
    random = np.random.default_rng(5)
    logits = random.normal(0, sharpness, (rows, 6)).astype(np.float32)
    truth = np.asarray([random.choice(6, p=p / p.sum()) for p in softmax(logits).astype(np.float64)])
    return logits, np.eye(6, dtype=bool)[truth]


def test_an_answer_counts_if_people_gave_it_among_others() -> None:
    probabilities = np.asarray([[0.1, 0.6, 0.3, 0, 0, 0], [0.7, 0.3, 0, 0, 0, 0]], np.float32)
    accepted = np.asarray([[0, 1, 1, 0, 0, 0], [0, 0, 1, 0, 0, 0]], bool)
    given, truth, right = answers(probabilities, accepted)
    assert (given.tolist(), truth.tolist(), right.tolist()) == ([1, 0], [1, 2], [True, False])
    assert figures(probabilities, accepted)["accuracy"] == 0.5


def test_macro_f1_of_a_confusion_matrix_is_that_of_scikit_learn() -> None:
    logits, accepted = sample()
    given, truth, _ = answers(softmax(logits), accepted)
    confusion = np.zeros((6, 6), np.int64)
    np.add.at(confusion, (truth, given), 1)
    assert macro_f1(confusion) == pytest.approx(f1_score(truth, given, average="macro"))
    assert _weighted_f1(confusion) == pytest.approx(f1_score(truth, given, average="weighted"))


def test_the_figures_of_eight_answers_are_those_that_one_finds_by_hand() -> None:
    truth, given = [0, 0, 0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 1, 1, 2, 5]
    probabilities = np.full((8, 6), 0.02, np.float32)
    probabilities[np.arange(8), given] = 0.9
    found = figures(probabilities, np.eye(6, dtype=bool)[truth])
    by_class = [list(one.values()) for one in found["classes"].values()]
    assert by_class[:3] == [
        pytest.approx([1, 3 / 4, 6 / 7, 4]),
        pytest.approx([2 / 3, 1, 4 / 5, 2]),
        pytest.approx([1, 1 / 2, 2 / 3, 2]),
    ]
    assert by_class[3:] == [[0, 0, 0, 0]] * 3
    assert found["confusion"][:3] == [[3, 1, 0, 0, 0, 0], [0, 2, 0, 0, 0, 0], [0, 0, 1, 0, 0, 1]]
    assert (found["accuracy"], found["micro_recall"]) == (6 / 8, 6 / 8)
    assert found["macro_precision"] == pytest.approx((1 + 2 / 3 + 1) / 3)
    assert found["macro_f1"] == pytest.approx((6 / 7 + 4 / 5 + 2 / 3) / 3)
    assert found["weighted_f1"] == pytest.approx((4 * 6 / 7 + 2 * 4 / 5 + 2 * 2 / 3) / 8)
    assert found["ece"] == pytest.approx(0.9 - 6 / 8, abs=1e-6)
    of_eight = sum(math.comb(8, n) * 0.9**n * 0.1 ** (8 - n) * abs(n / 8 - 0.9) for n in range(9))
    assert found["ece_by_chance"] == pytest.approx(of_eight, rel=0.2)


def test_intervals_hold_the_figure_and_narrow_with_more_rows() -> None:
    widths = []
    for rows in (100, 1600):
        logits, accepted = sample(rows)
        given, truth, right = answers(softmax(logits), accepted)
        edges = intervals(given, truth)
        assert "ece_95" not in edges
        low, high = edges["accuracy_95"]
        assert low < right.mean() < high
        assert edges["macro_f1_95"][0] < f1_score(truth, given, average="macro") < edges["macro_f1_95"][1]
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


@pytest.mark.parametrize(("right", "low", "high"), [(10, 0.025**0.1, 1.0), (0, 0.0, 1 - 0.025**0.1)])
def test_answers_that_are_all_right_or_all_wrong_are_not_taken_for_certain(right: int, low: float, high: float) -> None:
    truth = np.zeros(10, np.intp)
    given = np.where(np.arange(10) < right, 0, 1).astype(np.intp)
    assert intervals(given, truth)["accuracy_95"] == pytest.approx([low, high])


def test_the_temperature_undoes_what_made_the_confidences_too_high() -> None:
    logits, accepted = sample(4000)
    assert best_temperature(logits * 3, accepted) == pytest.approx(3, rel=0.15)
    right = answers(softmax(logits), accepted)[2]
    assert ece(softmax(logits), right) < 0.03 < ece(softmax(logits * 3), right)
    assert ece(retempered(softmax(logits), 3.0), right) == pytest.approx(ece(softmax(logits * 3), right), abs=1e-3)


def test_few_rows_change_no_temperature() -> None:
    logits, accepted = sample(30)
    assert best_temperature(logits * 3, accepted) != 1
    assert best_temperature(logits[:29] * 3, accepted[:29]) == 1


def test_answers_that_are_all_right_change_no_temperature() -> None:
    logits = np.tile(np.array([2.0, 0, 0, 0, 0, 0], np.float32), (60, 1))
    assert best_temperature(logits, logits > 1) == best_temperature(logits, logits < 1) == 1


@pytest.mark.parametrize("rows", [300, 20_000])
def test_what_chance_adds_to_the_calibration_error_is_what_calibrated_answers_show(rows: int) -> None:
    probabilities = np.random.default_rng(3).dirichlet(np.full(6, 0.5), rows).astype(np.float32)
    by_chance = ece_by_chance(probabilities.max(axis=1))
    drawn = [
        ece(probabilities, np.random.default_rng(seed).random(rows) < probabilities.max(axis=1)) for seed in range(50)
    ]
    assert by_chance == pytest.approx(np.mean(drawn), rel=0.1)
    assert (by_chance > 0.02) == (rows == 300)


def test_the_area_under_the_roc_curve_is_the_chance_to_stand_above() -> None:
    higher, lower = np.asarray([0.9, 0.5, 0.4], np.float32), np.asarray([0.5, 0.3], np.float32)
    assert auroc(higher, lower) == pytest.approx((2 + 1.5 + 1) / 6)


def test_reliability_bins_hold_every_row_and_give_the_error() -> None:
    logits, accepted = sample()
    probabilities = softmax(logits)
    right = answers(probabilities, accepted)[2]
    bins = reliability(probabilities, right)
    assert sum(b["rows"] for b in bins) == len(right)
    gaps = sum(abs(b["accuracy"] - b["confidence"]) * b["rows"] for b in bins) / len(right)
    assert ece(probabilities, right) == pytest.approx(gaps, abs=1e-6)


def test_withholding_unsure_answers_leaves_surer_ones() -> None:
    logits, accepted = sample(2000)
    curve = coverage_curve(softmax(logits), answers(softmax(logits), accepted)[2])
    assert [point["coverage"] for point in curve] == sorted((p["coverage"] for p in curve), reverse=True)
    assert curve[-5]["accuracy"] > curve[0]["accuracy"]


def test_a_paired_test_sees_only_the_rows_that_differ() -> None:
    right = np.arange(200) % 2 == 0
    better = right | (np.arange(200) % 10 == 1)
    assert mcnemar(right, better) == {"only_a_right": 0, "only_b_right": 20, "p_value": pytest.approx(2 * 0.5**20)}
    assert difference_95(right, better)[0] > 0
    assert mcnemar(right, right)["p_value"] == 1


def test_two_that_are_right_equally_often_on_different_rows_show_no_difference() -> None:
    right = np.repeat([True, False], 100)
    low, high = difference_95(right, ~right)
    assert low < 0 < high
    assert low == pytest.approx(-high, abs=0.05)


def test_slices_are_told_by_the_raw_text() -> None:
    texts = ["so glad #sun @you", "never again https://example.org", "we want that", "i dont know \U0001f602"]
    probabilities = np.full((4, 6), 1 / 6, np.float32)
    accepted = np.eye(6, dtype=bool)[[1, 2, 3, 4]]
    accepted[3, 1] = True
    found = slices(texts, probabilities, accepted)
    assert {name: one["rows"] for name, one in found.items()} == {
        "one label": 3,
        "several labels": 1,
        "up to 8 words": 4,
        "has a hashtag": 1,
        "has a mention": 1,
        "has a URL": 1,
        "has an emoji": 1,
        "has a negation": 2,
        "has none of these": 1,
    }


def test_a_class_without_rows_has_no_say_in_the_macro_f1() -> None:
    confusion = np.zeros((6, 6), np.int64)
    confusion[0, 0], confusion[1, 1], confusion[1, 2] = 4, 2, 2
    assert macro_f1(confusion) == pytest.approx((1 + 2 / 3) / 2)
