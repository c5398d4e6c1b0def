import numpy as np
import pandas as pd
import pytest

from schemas.emotions import EMOTIONS
from training.data.merging import group_key, one_row_a_text
from training.data.rows import TARGETS
from training.data.splits import Shares, check_classes, split_rows, without_leaks
from training.errors import TooFewRows


def rows(counts: dict[str, int], *, source: str = "a", split: str = "") -> pd.DataFrame:
    labels = [emotion for emotion, count in counts.items() for _ in range(count)]
    frame = pd.DataFrame({"group": [f"{source} {label} {i}" for i, label in enumerate(labels)]})
    frame = frame.assign(cleaned=frame["group"], text=frame["group"], source=source, split=split)
    for emotion in EMOTIONS:
        frame[f"p_{emotion}"] = [float(label == emotion) for label in labels]
    return frame


def test_small_classes_are_held_out_as_large_ones_are() -> None:
    frame = rows({"joy": 2000, "anger": 40, "fear": 25})
    frame["split"] = split_rows(frame, Shares(val=0.1, test=0.2))
    for emotion in ("joy", "anger", "fear"):
        part = frame.loc[frame[f"p_{emotion}"] == 1, "split"].value_counts(normalize=True)
        assert 0.06 < part["val"] < 0.14
        assert 0.13 < part["test"] < 0.27


@pytest.mark.parametrize("beside", ["sadness", "joy"])
def test_a_text_lands_on_the_same_side_whatever_stands_beside_it(beside: str) -> None:
    few, more = rows({"joy": 800}), rows({beside: 900}, source="b")
    alone = split_rows(few, Shares())
    together = split_rows(pd.concat([few, more], ignore_index=True).sample(frac=1, random_state=3), Shares())
    assert (alone == together[together.index < 800].sort_index()).all()
    assert set(alone) == {"train", "val"}


def test_another_fold_holds_out_other_rows() -> None:
    frame = rows({"joy": 1000})
    first, second = (split_rows(frame, Shares(fold=fold)) == "val" for fold in (0, 1))
    assert 0.005 < (first & second).mean() < 0.02


def test_official_splits_stay_and_a_missing_validation_part_comes_out_of_train() -> None:
    frame = pd.concat([rows({"joy": 300}, split="train"), rows({"joy": 50}, split="test")], ignore_index=True)
    frame["group"] = [str(i) for i in range(len(frame))]
    split = split_rows(frame, Shares(test=0.5))
    assert (split[300:] == "test").all()
    assert split[:300].value_counts().keys().tolist() == ["train", "val"]


def test_rows_without_a_target_are_unlabelled_whatever_split_their_set_gives_them() -> None:
    frame = pd.concat([rows({"joy": 300}, split="train"), rows({"joy": 20}, source="b")], ignore_index=True)
    unlabelled = frame.index.isin([*range(10), *range(310, 320)])
    frame.loc[unlabelled, TARGETS] = np.nan
    assert (split_rows(frame, Shares()).eq("unlabelled") == unlabelled).all()


def test_what_recurs_in_test_or_validation_leaves_train_in_every_source() -> None:
    frame = pd.concat([rows({"joy": 4}, split=split, source="a") for split in ("train", "val", "test")])
    frame["split"] = ["train"] * 4 + ["val"] * 4 + ["test"] * 4
    kept, leaks = without_leaks(frame)
    assert kept["split"].tolist() == ["test"] * 4
    assert leaks["split"].tolist() == ["train"] * 4 + ["val"] * 4


def test_near_duplicates_share_a_key() -> None:
    key = group_key("what a lovely day at the lake")
    assert key == group_key("@you What a LOVELY day at the lake!! #sun https://example.org/x")
    assert key != group_key("what a lovely day at the sea")


@pytest.mark.parametrize(
    "copy",
    ["RT @someone: {}", "rt @a rt @b: {}", "{} \U0001f62d\U0001f62d", "\U0001f602 {} :)", "rt <user> : {} :red heart:"],
)
def test_retweets_and_copies_with_other_emoji_share_a_key_where_they_are_joined(copy: str) -> None:
    text = "what a lovely day at the lake"
    assert group_key(copy.format(text), joins_copies=True) == group_key(text, joins_copies=True)
    assert group_key(copy.format(text)) != group_key(text)


def test_a_word_that_begins_as_a_retweet_does_stays_in_the_key() -> None:
    assert group_key("rt if you love the lake at night", joins_copies=True).startswith("rt if")


def test_texts_without_latin_letters_do_not_share_a_key() -> None:
    key = group_key("Какой прекрасный день")
    assert key == group_key("какой  прекрасный день")
    assert key not in ("", group_key("мне очень грустно"))


def test_equal_texts_become_one_and_people_go_before_hashtags() -> None:
    frame = pd.concat([rows({"joy": 1}), rows({"love": 1}), rows({"anger": 1}, source="people")])
    frame = frame.assign(cleaned="same", group="same")
    merged, conflicts = one_row_a_text(frame, frame["split"] == "test", frozenset({"people"}), "mean")
    assert (len(merged), conflicts) == (1, 0)
    assert merged["p_anger"].item() == 1
    merged, conflicts = one_row_a_text(frame[:2], frame[:2]["split"] == "test", frozenset(), "mean")
    assert (merged["p_joy"].item(), merged["p_love"].item(), conflicts) == (0.5, 0.5, 1)
    merged, _ = one_row_a_text(frame[:2], frame[:2]["split"] == "test", frozenset(), "first")
    assert merged["p_joy"].item() == 1


def test_rows_of_an_official_test_are_not_merged() -> None:
    frame = pd.concat([rows({"joy": 1}, split="test"), rows({"love": 1}, split="test")]).assign(cleaned="same")
    merged, _ = one_row_a_text(frame, frame["split"] == "test", frozenset(), "mean")
    assert merged[TARGETS].max(axis=1).tolist() == [1, 1]


def test_classes_that_cannot_be_learned_or_measured_are_named() -> None:
    frame = rows(dict.fromkeys(EMOTIONS, 40))
    frame["split"] = split_rows(frame, Shares())
    check_classes(frame, allow_empty=False)
    lacking = frame[frame["p_fear"] == 0]
    with pytest.raises(TooFewRows, match=r"fewer than 10 training rows of fear \(0\).*--allow-empty-classes"):
        check_classes(lacking, allow_empty=False)
    check_classes(lacking, allow_empty=True)
    unseen = frame[~((frame["p_joy"] == 1) & (frame["split"] == "val"))]
    with pytest.raises(TooFewRows, match="no validation row of joy: too few groups"):
        check_classes(unseen, allow_empty=False)
    with pytest.raises(TooFewRows, match="fewer than 10"):
        check_classes(frame[:0].assign(**dict.fromkeys(TARGETS, np.float32(0))), allow_empty=True)


def test_unlabelled_rows_that_recur_in_test_or_validation_are_dropped_too() -> None:
    frame = pd.concat([rows({"joy": 1}, source=source) for source in ("a", "b", "c", "a", "b")], ignore_index=True)
    frame["split"] = ["test", "val", "unlabelled", "unlabelled", "unlabelled"]
    kept, leaks = without_leaks(frame)
    assert (kept.index.tolist(), leaks.index.tolist()) == ([0, 1, 2], [3, 4])


def test_a_labelled_row_goes_before_an_unlabelled_one_of_people() -> None:
    unlabelled = rows({"anger": 1}, source="people").assign(**dict.fromkeys(TARGETS, np.nan))
    frame = pd.concat([unlabelled, rows({"joy": 1})]).assign(cleaned="same", group="same")
    merged, _ = one_row_a_text(frame, frame["split"] == "test", frozenset({"people"}), "mean")
    assert (merged["source"].tolist(), merged["p_joy"].tolist()) == (["a"], [1])


def test_short_texts_are_told_apart_by_their_hashtags() -> None:
    assert group_key("so #happy") != group_key("so #sad")


@pytest.mark.parametrize(
    "aside", ["pic.twitter.com/a1", "www.example.org/a", "HTTPS://t.co/a", "\uff20someone", "<user>"]
)
def test_links_and_mentions_of_any_make_are_no_part_of_the_key(aside: str) -> None:
    assert group_key(f"what a happy day it is {aside}") == group_key("what a happy day it is")


def test_rows_that_carry_none_of_the_six_are_rows_of_no_class() -> None:
    frame = rows({emotion: 60 for emotion in EMOTIONS if emotion != "surprise"})
    neutral = rows({"joy": 300}, source="b")
    neutral[TARGETS] = 1 / 6
    frame = pd.concat([frame, neutral], ignore_index=True)
    frame["split"] = split_rows(frame, Shares())
    with pytest.raises(TooFewRows, match=r"surprise \(0\)"):
        check_classes(frame, allow_empty=False)
    check_classes(frame, allow_empty=True)
