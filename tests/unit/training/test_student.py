from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoTokenizer, DistilBertForSequenceClassification

from schemas.emotions import EMOTIONS
from tests.encoders import build_bert, build_mpnet
from training.errors import DataUnreadable, FolderTaken, TeacherUnfit
from training.student import cut, spread, write_student

TEXTS = ["my day is so sunny", "panic"]


def test_of_twelve_layers_it_takes_those_that_distilbert_took() -> None:
    assert spread(12, 6) == [0, 2, 4, 7, 9, 11]
    assert spread(6, 6) == list(range(6))
    assert spread(6, 1) == [0]


def test_with_all_layers_it_computes_what_bert_does(tmp_path: Path) -> None:
    teacher = build_bert(tmp_path / "bert", layers=3)
    write_student(tmp_path / "bert", tmp_path / "student", layers=3)
    _assert_same_states(teacher, tmp_path / "bert", tmp_path / "student")


def test_with_all_layers_it_computes_what_mpnet_does_without_its_bias(tmp_path: Path) -> None:
    teacher = build_mpnet(tmp_path / "mpnet", layers=2)
    torch.nn.init.zeros_(teacher.encoder.relative_attention_bias.weight)
    write_student(tmp_path / "mpnet", tmp_path / "student", layers=2)
    _assert_same_states(teacher, tmp_path / "mpnet", tmp_path / "student")
    student = AutoModel.from_pretrained(tmp_path / "student")
    assert student.config.max_position_embeddings == 64
    assert student.config.pad_token_id == 1


def test_positions_and_types_of_a_teacher_in_halves_are_added_in_float32(tmp_path: Path) -> None:
    teacher = build_bert(tmp_path / "bert").half()
    teacher.save_pretrained(tmp_path / "bert")
    write_student(tmp_path / "bert", tmp_path / "student", layers=1)
    student, halves = AutoModel.from_pretrained(tmp_path / "student").embeddings, teacher.embeddings
    exact = halves.position_embeddings.weight.float() + halves.token_type_embeddings.weight[0].float()
    assert torch.equal(student.position_embeddings.weight, exact)


def _assert_same_states(teacher: torch.nn.Module, theirs: Path, ours: Path) -> None:
    asked = AutoTokenizer.from_pretrained(theirs)(TEXTS, padding=True, return_tensors="pt")
    given = AutoTokenizer.from_pretrained(ours)(TEXTS, padding=True, return_tensors="pt")
    assert torch.equal(asked["input_ids"], given["input_ids"])
    mask = given["attention_mask"].bool()
    with torch.inference_mode():
        wanted = teacher(input_ids=asked["input_ids"], attention_mask=asked["attention_mask"]).last_hidden_state
        found = AutoModel.from_pretrained(ours)(**given).last_hidden_state
    assert torch.allclose(wanted[mask], found[mask], atol=1e-5)


def test_transformers_loads_it_as_a_classifier_of_six(tmp_path: Path) -> None:
    build_bert(tmp_path / "bert", layers=4)
    assert write_student(tmp_path / "bert", tmp_path / "student", layers=2) == [0, 3]
    model = DistilBertForSequenceClassification.from_pretrained(tmp_path / "student")
    assert list((model.config.id2label or {}).values()) == list(EMOTIONS)
    tokens = AutoTokenizer.from_pretrained(tmp_path / "student")(TEXTS, padding=True, return_tensors="pt")
    assert model(**tokens).logits.shape == (2, 6)
    assert len(model.distilbert.transformer.layer) == 2


def test_what_cannot_become_one_is_named(tmp_path: Path) -> None:
    teacher = build_bert(tmp_path / "bert", layers=2)
    with pytest.raises(TeacherUnfit, match="6 layers cannot be taken from an encoder of 2"):
        write_student(tmp_path / "bert", tmp_path / "student", layers=6)
    with pytest.raises(DataUnreadable, match=r"no encoder at .*config\.json, tokenizer and weights"):
        write_student(tmp_path / "nothing", tmp_path / "student", layers=6)
    with pytest.raises(FolderTaken, match="name another folder"):
        write_student(tmp_path / "bert", tmp_path / "bert", layers=1)
    student, _ = cut(teacher, 1)
    with pytest.raises(TeacherUnfit, match="a distilbert encoder cannot become a DistilBERT"):
        cut(student, 1)
