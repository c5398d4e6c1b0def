import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import DistilBertConfig, DistilBertForSequenceClassification, PreTrainedTokenizerFast

from schemas.emotions import EMOTIONS
from training.errors import DataUnreadable, TeacherUnfit
from training.teachers import Teacher, ask, teach
from worker.inference.engine import load_engine

TEXTS = ["so happy today", "this is sad", "i am angry"]


def checkpoint(folder: Path, labels: tuple[str, ...]) -> Path:
    words = ["[PAD]", "[UNK]", "so", "happy", "today", "this", "is", "sad", "i", "am", "angry"]
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]"}
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, special["unk_token"]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)  # type: ignore[no-untyped-call]
    fast.save_pretrained(folder)
    config = DistilBertConfig(
        vocab_size=len(words), dim=16, hidden_dim=32, n_layers=1, n_heads=2, id2label=dict(enumerate(labels))
    )
    DistilBertForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_a_weight_follows_the_folder(tmp_path: Path) -> None:
    odd = tmp_path / "lr=0.1"
    odd.mkdir()
    assert Teacher.parse("runs/a=0.35") == Teacher(Path("runs/a"), 0.35)
    assert Teacher.parse("runs/a") == Teacher(Path("runs/a"))
    assert Teacher.parse(str(odd)) == Teacher(odd)
    for bad in ("runs/a=0", "runs/a=much", "runs/a=-1"):
        with pytest.raises(TeacherUnfit, match="number above 0"):
            Teacher.parse(bad)


def test_several_teachers_are_averaged_by_weight_and_asked_once(tiny_bundle: Path, tmp_path: Path) -> None:
    rows = pd.DataFrame({"cleaned": TEXTS})
    needed = np.array([True, False, True])
    other = checkpoint(tmp_path / "checkpoint", EMOTIONS)
    teachers = [Teacher(tiny_bundle, 3), Teacher(other, 1)]
    logits = teach(teachers, rows, needed, tmp_path / "cache")
    bundle = np.log(load_engine(tiny_bundle).predict_cleaned(TEXTS[::2]))
    assert np.allclose(logits[needed], (3 * bundle + ask(other, TEXTS[::2])) / 4, atol=1e-4)
    assert not logits[1].any()
    (other / "config.json").unlink()
    assert (teach(teachers, rows, needed, tmp_path / "cache") == logits).all()


def test_a_checkpoint_may_order_its_labels_otherwise(tmp_path: Path) -> None:
    first = checkpoint(tmp_path / "checkpoint", EMOTIONS)
    straight = ask(first, TEXTS)
    config = json.loads((first / "config.json").read_text())
    config["id2label"] = dict(enumerate(EMOTIONS[::-1]))
    config["label2id"] = {label: i for i, label in enumerate(EMOTIONS[::-1])}
    (first / "config.json").write_text(json.dumps(config))
    assert np.allclose(ask(first, TEXTS), straight[:, ::-1])


def test_a_teacher_with_other_labels_is_refused(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "checkpoint", ("positive", "negative"))
    with pytest.raises(TeacherUnfit, match="labels positive, negative, not sadness"):
        ask(folder, TEXTS)


def test_a_folder_that_is_no_teacher_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataUnreadable, match="is no teacher"):
        ask(tmp_path, TEXTS)
    (tmp_path / "run.json").write_text('{"kind": "lstm"}')
    with pytest.raises(DataUnreadable, match="export it"):
        ask(tmp_path, TEXTS)
