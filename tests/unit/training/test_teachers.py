import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import DistilBertConfig, DistilBertForSequenceClassification, PreTrainedTokenizerFast

from schemas.emotions import EMOTIONS
from tests.bundles import build_tiny_bundle
from tests.encoders import build_bert
from training.encoder import load_encoder, save_encoder
from training.errors import DataUnreadable, TeacherUnfit
from training.teachers import ask, teach
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


def test_each_teacher_is_asked_once(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pd.DataFrame({"cleaned": TEXTS})
    needed = np.array([True, False, True])
    teachers = [tiny_bundle, checkpoint(tmp_path / "checkpoint", EMOTIONS)]
    answers = teach(teachers, rows, needed, tmp_path / "cache")
    assert np.allclose(answers[0, needed], np.log(load_engine(tiny_bundle).predict_cleaned(TEXTS[::2])), atol=1e-5)
    assert (answers[1, needed] == ask(teachers[1], TEXTS[::2])).all()
    assert not answers[:, 1].any()
    monkeypatch.setattr("training.teachers.ask", None)
    assert (teach(teachers, rows, needed, tmp_path / "cache") == answers).all()


def test_a_teacher_that_changed_is_asked_again(tmp_path: Path) -> None:
    rows, cache = pd.DataFrame({"cleaned": TEXTS}), tmp_path / "cache"
    needed, folder = np.ones(3, bool), tmp_path / "teacher"
    asked = []
    for seed in (1, 2):
        build_tiny_bundle(folder, seed=seed)
        asked.append(teach([folder], rows, needed, cache)[0])
    shutil.rmtree(folder)
    for seed in (3, 4):
        torch.manual_seed(seed)
        checkpoint(folder, EMOTIONS)
        asked.append(teach([folder], rows, needed, cache)[0])
    shutil.rmtree(folder)
    build_bert(tmp_path / "base")
    tokenizer, model = load_encoder(str(tmp_path / "base"))
    save_encoder(folder, tokenizer, model)
    (folder / "run.json").write_text('{"kind": "encoder", "base": "bert", "sizes": {"max_tokens": 64}}')
    for bias in (1.0, 2.0):
        torch.nn.init.constant_(model.head.weight, bias)
        torch.save(model.state_dict(), folder / "best.pt")
        asked.append(teach([folder], rows, needed, cache)[0])
    for i, one in enumerate(asked):
        assert not any(np.array_equal(one, other) for other in asked[:i])


def test_a_checkpoint_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "checkpoint", EMOTIONS)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:3000])
    with pytest.raises(DataUnreadable, match="checkpoint cannot be read as a teacher"):
        ask(folder, TEXTS)
    weights.unlink()
    with pytest.raises(DataUnreadable, match="checkpoint cannot be read as a teacher"):
        ask(folder, TEXTS)
    (folder / "config.json").write_text('{"model_type": "abacus"}')
    with pytest.raises(DataUnreadable, match="checkpoint cannot be read as a teacher"):
        ask(folder, TEXTS)


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
    (tmp_path / "run.json").write_text('{"kind": "lstm", "base": "glove", "sizes": {}}')
    with pytest.raises(DataUnreadable, match="export it"):
        ask(tmp_path, TEXTS)


def test_a_checkpoint_that_was_never_fine_tuned_is_no_teacher(tmp_path: Path) -> None:
    model = DistilBertForSequenceClassification.from_pretrained(checkpoint(tmp_path, EMOTIONS))
    model.distilbert.save_pretrained(tmp_path)
    with pytest.raises(TeacherUnfit, match=r"has no weights for classifier.*was not fine-tuned"):
        ask(tmp_path, TEXTS)
