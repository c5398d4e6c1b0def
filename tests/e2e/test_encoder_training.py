"""A tiny encoder through the whole path: prepare, train, distil, export, the worker's engine labels."""

import json
from pathlib import Path

import numpy as np
import torch
from click.testing import CliRunner
from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordPiece
from tokenizers.processors import TemplateProcessing
from transformers import AutoModel, BertConfig, PreTrainedTokenizerFast

from schemas.emotions import EMOTIONS
from training.__main__ import main
from worker.inference.engine import load_engine

WORDS = {
    "sadness": ["tears", "grief", "lonely"],
    "joy": ["smile", "party", "sunny"],
    "love": ["kiss", "adore", "darling"],
    "anger": ["furious", "rage", "hate"],
    "fear": ["terror", "scared", "panic"],
    "surprise": ["sudden", "unexpected", "gasp"],
}
FILLER = ["the", "day", "is", "so", "my", "with", "today", "again", "home", "street", "people", "this"]


def run(*arguments: object) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def build_base(folder: Path) -> None:
    """A random two-layer BERT with a vocabulary of its own, as a local folder."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *FILLER, *(word for words in WORDS.values() for word in words)]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106 - a token of a text
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)  # type: ignore[no-untyped-call]
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(pieces), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2
    )
    AutoModel.from_config(config).save_pretrained(folder)  # type: ignore[no-untyped-call]


def write_rows(path: Path) -> None:
    random = np.random.default_rng(4)
    with path.open("w") as file:
        for number in range(1200):
            label = EMOTIONS[number % 6]
            words = [*random.choice(FILLER, 4), random.choice(WORDS[label]), *random.choice(FILLER, 3)]
            file.write(json.dumps({"text": " ".join(words), "label": label}) + "\n")


def test_an_encoder_teaches_another_which_the_worker_serves(tmp_path: Path) -> None:
    base, prepared = tmp_path / "base", tmp_path / "prepared"
    build_base(base)
    write_rows(tmp_path / "rows.jsonl")
    run("prepare", "--rows", tmp_path / "rows.jsonl", "--no-unlabelled", "--out", prepared)
    fit = ("train", "distilbert", "--prepared", prepared, "--base", base, "--epochs", 3, "--learning-rate", 0.003)
    run(*fit, "--out", tmp_path / "teacher")
    taught = ["--teacher", f"{tmp_path / 'teacher'}=2", "--start", tmp_path / "teacher", "--out", tmp_path / "student"]
    run("distill", "--student", "encoder", *fit[2:], *taught)
    run("export", "--prepared", prepared, "--run", tmp_path / "student", "--bundle", tmp_path / "bundle")
    engine = load_engine(tmp_path / "bundle", threads=1)
    assert engine.manifest.kind == "encoder"
    assert engine.manifest.agreement is not None
    assert engine.manifest.agreement.flipped_by_rebatching == 0
    answers = engine.predict([f"my day is so {words[0]} today" for words in WORDS.values()])
    assert [EMOTIONS[i] for i in answers.argmax(axis=1)] == list(WORDS)
