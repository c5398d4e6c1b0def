import numpy as np
import pandas as pd
import pytest

from training.data.rows import TARGETS
from training.errors import TooFewRows
from training.lessons import blend, plain_lesson, taught_lesson, taught_rows, temperatures

JOY, LOVE = np.eye(6)[1], np.eye(6)[2]
NONE = np.full(6, 1 / 6)
NOBODY_ASKED = np.full(6, np.nan)


def frame(rows: list[tuple[str, str, object]]) -> pd.DataFrame:
    targets = np.array([target for _, _, target in rows], np.float32)
    made = pd.DataFrame({"source": [row[0] for row in rows], "split": [row[1] for row in rows]})
    return made.assign(**dict(zip(TARGETS, targets.T, strict=True)))


def sure_logits(right: list[bool], sureness: float) -> list[list[float]]:
    """Logits of a teacher that is as sure of its wrong answers (sadness) as of its right ones (joy)."""
    return [[0, sureness, 0, 0, 0, 0] if one else [sureness, 0, 0, 0, 0, 0] for one in right]


def test_rows_without_an_emotion_weigh_less_and_unlabelled_ones_are_left_out() -> None:
    lesson = plain_lesson(
        frame(
            [
                ("dair", "train", JOY),
                ("semeval", "train", NONE),
                ("tec", "unlabelled", NOBODY_ASKED),
                ("dair", "val", JOY),
            ]
        )
    )
    assert lesson.learned.tolist() == [True, True, False, False]
    assert lesson.weights[1] < lesson.weights[0] == 1
    assert lesson.targets.shape == (2, 6)


def test_a_teacher_that_is_sure_too_often_is_tempered_where_it_is() -> None:
    honest, boastful = [True] * 95 + [False] * 5, [True] * 60 + [False] * 60
    alike = [(source, "unlabelled", NOBODY_ASKED) for source in ("reddit", "goemotions, varied")]
    rows = frame([("dair", "val", JOY)] * 100 + [("goemotions", "val", JOY)] * 120 + alike)
    logits = np.array(sure_logits([*honest, *boastful, True, True], 4.6), np.float32)
    found = temperatures(rows, logits)
    assert found["dair"] == pytest.approx(1, abs=0.15)
    assert found["goemotions"] > 2
    assert found["reddit"] == found["goemotions, varied"] == found["goemotions"]


def test_sources_with_few_held_out_rows_take_the_temperature_of_what_people_judged() -> None:
    rows = frame([("dair", "val", JOY)] * 100 + [("goemotions", "val", JOY)] * 100 + [("own", "val", JOY)] * 3)
    logits = np.array(sure_logits([True] * 100 + [True] * 50 + [False] * 50 + [True] * 3, 4.0), np.float32)
    found = temperatures(rows, logits)
    assert found["own"] == found["goemotions"] != found["dair"]


def test_a_teacher_has_its_say_on_the_texts_that_it_knows() -> None:
    rows = frame(
        [("dair", "val", JOY)] * 100 + [("goemotions", "val", JOY)] * 100 + [("reddit", "unlabelled", NOBODY_ASKED)]
    )
    knowing, guessing = [True] * 90 + [False] * 10, [True] * 20 + [False] * 80
    answers = np.array(
        [
            sure_logits([*knowing, *guessing, False], 3.0),
            sure_logits([*guessing, *knowing, True], 3.0),
        ],
        np.float32,
    )
    logits, weights = blend(rows, answers)
    assert weights["dair"] == pytest.approx([1, 0], abs=0.01)
    assert weights["goemotions"] == pytest.approx([0, 1], abs=0.01)
    assert np.allclose(logits[0], answers[0, 0], atol=0.1)
    assert logits[-1].argmax() == 1


def test_without_held_out_rows_a_teacher_cannot_be_tempered() -> None:
    with pytest.raises(TooFewRows, match="no validation rows"):
        temperatures(frame([("dair", "train", JOY)]), np.zeros((1, 6), np.float32))


def test_accepted_labels_are_shared_as_the_teacher_would_and_unlabelled_rows_take_its_word() -> None:
    both = (JOY + LOVE) / 2
    rows = frame(
        [("semeval", "val", JOY)] * 100
        + [("semeval", "train", both), ("semeval", "train", NONE), ("tec", "unlabelled", NOBODY_ASKED)]
    )
    logits = np.array(sure_logits([True] * 97 + [False] * 3 + [True] * 3, 4.0), np.float32)
    learned = np.arange(len(rows)) >= 100
    lesson = taught_lesson(rows, logits, learned)
    several, none, unlabelled = lesson.targets
    assert np.allclose(lesson.targets.sum(axis=1), 1, atol=1e-5)
    assert several[1] > 0.9
    assert several[2] < 0.1
    assert none.max() < several.max()
    assert unlabelled.argmax() == 1
    assert lesson.weights[1] < lesson.weights[0] == lesson.weights[2]


def test_a_share_of_the_unlabelled_rows_is_the_same_in_every_run() -> None:
    rows = frame([("tec", "unlabelled", NOBODY_ASKED)] * 400 + [("dair", "train", JOY)] * 10)
    first = taught_rows(rows, 0.25)
    assert first[400:].all()
    assert 60 < first[:400].sum() < 140
    assert (first == taught_rows(rows, 0.25)).all()


def test_a_source_with_few_rows_takes_the_temperature_of_the_one_that_it_is_like() -> None:
    rows = frame(
        [("semeval", "val", JOY)] * 100 + [("goemotions", "val", JOY)] * 100 + [("reddit", "unlabelled", NOBODY_ASKED)]
    )
    logits = np.array(sure_logits([*[True] * 100, *[True] * 50, *[False] * 50, True], 4.0), np.float32)
    found = temperatures(rows, logits)
    assert found["reddit"] == found["goemotions"] != found["semeval"]


def test_rows_that_carry_none_of_the_six_tell_nothing_of_a_temperature() -> None:
    rows = frame([("dair", "val", JOY)] * 100 + [("dair", "val", NONE)] * 100)
    logits = np.array(sure_logits([True] * 50 + [False] * 50 + [True] * 100, 4.0), np.float32)
    assert temperatures(rows, logits)["dair"] == pytest.approx(temperatures(rows[:100], logits[:100])["dair"])


def test_a_teacher_has_less_say_where_people_saw_none_of_the_six() -> None:
    rows = frame([("dair", "val", JOY)] * 100 + [("dair", "train", NONE), ("tec", "unlabelled", NOBODY_ASKED)])
    logits = np.array(sure_logits([True] * 97 + [False] * 3 + [True] * 2, 4.0), np.float32)
    none, teacher = taught_lesson(rows, logits, np.arange(len(rows)) >= 100).targets
    assert np.allclose(none, 0.7 * NONE + 0.3 * teacher, atol=1e-5)
