"""Tiny random encoders of transformers as local folders, and rows whose labels they can learn in seconds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from click.testing import CliRunner
from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordPiece
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoModel,
    BertConfig,
    BertweetTokenizer,
    MPNetConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
)

from schemas.emotions import EMOTIONS
from training.__main__ import main
from training.student import write_student

WORDS = {
    "sadness": ["tears", "grief", "lonely"],
    "joy": ["smile", "party", "sunny"],
    "love": ["kiss", "adore", "darling"],
    "anger": ["furious", "rage", "hate"],
    "fear": ["terror", "scared", "panic"],
    "surprise": ["sudden", "unexpected", "gasp"],
}
FILLER = ["the", "day", "is", "so", "my", "with", "today", "again", "home", "street", "people", "this"]
UNUSED = ["##ing", "zebra", "q", "##q"]
"""Pieces that no row holds."""
_ALL = [*FILLER, *(word for words in WORDS.values() for word in words), *UNUSED]


def build_bert(folder: Path, layers: int = 2, **others: Any) -> Any:
    """A random BERT with a vocabulary of its own; the classifier's rows hold no piece of `UNUSED`."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *_ALL]
    _tokenizer(pieces, unknown="[UNK]", padding="[PAD]", first="[CLS]", last="[SEP]").save_pretrained(folder)
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=layers,
        num_attention_heads=2,
        **others,
    )
    model = AutoModel.from_config(config).eval()  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    return model


def build_mpnet(folder: Path, layers: int = 2) -> Any:
    """A random MPNet; its padding has id 1, so that its positions begin with 2."""
    pieces = ["<s>", "<pad>", "</s>", "[UNK]", *_ALL]
    _tokenizer(pieces, unknown="[UNK]", padding="<pad>", first="<s>", last="</s>").save_pretrained(folder)
    torch.manual_seed(3)
    config = MPNetConfig(
        vocab_size=len(pieces),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=layers,
        num_attention_heads=2,
        max_position_embeddings=66,
    )
    model = AutoModel.from_config(config).eval()  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    return model


def build_bertweet(folder: Path) -> None:
    """A random RoBERTa under BERTweet's tokenizer, which has no fast form; its pieces are whole words and letters."""
    folder.mkdir()
    merges = [f"{word[0]} {word[1]} 1" for word in _ALL if word[:2].isalpha() and len(word) > 1]
    (folder / "vocab.txt").write_text("".join(f"{word} 1\n" for word in _ALL))
    (folder / "bpe.codes").write_text("\n".join(["#version: 0.2", *merges, ""]))
    tokenizer = BertweetTokenizer(str(folder / "vocab.txt"), str(folder / "bpe.codes"))  # type: ignore[no-untyped-call]
    tokenizer.save_pretrained(folder)
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=66,
        pad_token_id=1,
        type_vocab_size=1,
    )
    AutoModel.from_config(config).save_pretrained(folder)  # type: ignore[no-untyped-call]


def build_distilbert(folder: Path) -> None:
    """A DistilBERT cut from a random BERT, which stands beside it."""
    build_bert(folder.with_name("larger"))
    write_student(folder.with_name("larger"), folder, 2)


def _tokenizer(pieces: list[str], *, unknown: str, padding: str, first: str, last: str) -> PreTrainedTokenizerFast:
    ids = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(WordPiece(ids, unk_token=unknown))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single=f"{first} $A {last}", special_tokens=[(first, ids[first]), (last, ids[last])]
    )
    special = {"unk_token": unknown, "pad_token": padding, "cls_token": first, "sep_token": last}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)  # type: ignore[no-untyped-call]


def write_rows(path: Path, rows: int = 1200) -> None:
    """Own rows for `prepare`: one telling word among fillers."""
    random = np.random.default_rng(4)
    with path.open("w") as file:
        for number in range(rows):
            label = EMOTIONS[number % 6]
            words = [*random.choice(FILLER, 4), random.choice(WORDS[label]), *random.choice(FILLER, 3)]
            file.write(json.dumps({"text": " ".join(words), "label": label}) + "\n")


def prepared(folder: Path, rows: int = 300, unclear: int = 60) -> Path:
    """A folder of own rows that `prepare` took, ``unclear`` of them without a label."""
    folder.mkdir()
    write_rows(folder / "own.jsonl", rows)
    with (folder / "own.jsonl").open("a") as file:
        file.writelines(json.dumps({"text": f"at {n} o clock", "labels": []}) + "\n" for n in range(unclear))
    result = CliRunner().invoke(main, ["prepare", "--rows", str(folder / "own.jsonl"), "--out", str(folder)])
    assert result.exit_code == 0, result.output
    return folder
