"""Variations of training texts."""

import numpy as np
import pandas as pd

from training.data.merging import group_key
from training.data.rows import TARGETS
from training.data.variations import with_variations

TRAIN = ["so glad the sun is out again today", "who broke my favourite mug this morning", "what a day"]
VAL = "so glad the #sunday"


def rows() -> pd.DataFrame:
    texts = [*TRAIN, VAL]
    frame = pd.DataFrame({"text": texts, "cleaned": texts, "group": list(map(group_key, texts))})
    frame["source"] = ["one", "one", "two", "one"]
    frame["split"] = ["train"] * 3 + ["val"]
    frame[TARGETS] = np.eye(6, dtype=np.float32)[:4]
    return frame


def test_variations_are_unlabelled_texts_of_the_same_source_out_of_training_words_alone() -> None:
    whole = with_variations(rows(), 20)
    pd.testing.assert_frame_equal(whole[:4], rows())
    new = whole[4:]
    assert len(new) > 30
    assert set(new["split"]) == {"unlabelled"}
    assert new[TARGETS].isna().all(axis=None)
    assert set(new["source"]) == {"one, varied", "two, varied"}
    assert max(len(text.split()) for text in new.loc[new["source"] == "two, varied", "cleaned"]) <= 3
    assert {word for text in new["cleaned"] for word in text.split()} <= {w for text in TRAIN for w in text.split()}
    assert (new["group"] == new["cleaned"].map(group_key)).all()


def test_no_variation_repeats_a_text_or_falls_into_a_group_that_is_held_out() -> None:
    whole = with_variations(rows(), 500)
    assert whole["cleaned"].is_unique
    assert group_key(VAL) not in set(whole.loc[whole["split"] == "unlabelled", "group"])


def test_the_same_seed_makes_the_same_variations() -> None:
    first, again, other = (list(with_variations(rows(), 3, seed)["cleaned"]) for seed in (1, 1, 2))
    assert first == again != other
