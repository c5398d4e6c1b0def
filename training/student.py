"""A DistilBERT that begins with every second layer of a larger encoder (Sanh et al. 2019)."""

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from transformers import DistilBertConfig, DistilBertModel, PreTrainedTokenizerFast

from schemas.emotions import EMOTIONS
from training.encoder import read_pretrained
from training.errors import DataUnreadable, TeacherUnfit
from training.files import replaced_folder

_ATTENTION = {
    "bert": {
        "attention.self.query": "attention.q_lin",
        "attention.self.key": "attention.k_lin",
        "attention.self.value": "attention.v_lin",
        "attention.output.dense": "attention.out_lin",
        "attention.output.LayerNorm": "sa_layer_norm",
    },
    "mpnet": {
        "attention.attn.q": "attention.q_lin",
        "attention.attn.k": "attention.k_lin",
        "attention.attn.v": "attention.v_lin",
        "attention.attn.o": "attention.out_lin",
        "attention.LayerNorm": "sa_layer_norm",
    },
}
_REST = {"intermediate.dense": "ffn.lin1", "output.dense": "ffn.lin2", "output.LayerNorm": "output_layer_norm"}
_SPECIAL_TOKENS = ("unk_token", "pad_token", "cls_token", "sep_token", "mask_token")


def write_student(teacher: Path, folder: Path, layers: int) -> list[int]:
    """Write config, weights and fast tokenizer of a DistilBERT cut from the encoder in ``teacher``.

    The folder loads with ``AutoModel``, with ``DistilBertForSequenceClassification`` (its head is new) and with
    ``train distilbert --base``. Returns the layers of the teacher that were taken, counted from 0.

    Raises:
        DataUnreadable: no whole encoder with a fast tokenizer there.
        TeacherUnfit: an encoder of another layout, or with fewer layers than asked for.
        FolderTaken: ``folder`` holds something already.
    """
    tokenizer, encoder = read_pretrained(str(teacher))
    encoder.float()
    if not tokenizer.is_fast:
        raise DataUnreadable(f"{teacher} has no fast tokenizer (tokenizer.json); convert it with transformers first")
    student, taken = cut(encoder, layers)
    with replaced_folder(folder) as beside:
        student.save_pretrained(beside)
        _plain(tokenizer, student.config.max_position_embeddings).save_pretrained(beside)
    return taken


def cut(encoder: Any, layers: int) -> tuple[DistilBertModel, list[int]]:
    """A DistilBERT of the same width with ``layers`` of the encoder's layers, and which they are.

    The token-type embedding of type 0 is added to the positions. MPNet's bias by relative distance has no place in
    DistilBERT and is lost, its learned positions begin after those kept for padding.

    Raises:
        TeacherUnfit: neither a BertModel nor an MPNetModel, or too few layers.
    """
    config = encoder.config
    if config.model_type not in _ATTENTION:
        raise TeacherUnfit(f"a {config.model_type} encoder cannot become a DistilBERT; {' and '.join(_ATTENTION)} can")
    if not 1 <= layers <= config.num_hidden_layers:
        raise TeacherUnfit(
            f"{layers} layers cannot be taken from an encoder of {config.num_hidden_layers}; see --layers"
        )
    taken = spread(config.num_hidden_layers, layers)
    weights = _student_weights(encoder, taken)
    names: dict[int, str] = dict(enumerate(EMOTIONS))
    vocabulary, width = weights["embeddings.word_embeddings.weight"].shape
    student = DistilBertModel(
        DistilBertConfig(
            vocab_size=vocabulary,
            dim=width,
            hidden_dim=config.intermediate_size,
            n_layers=layers,
            n_heads=config.num_attention_heads,
            max_position_embeddings=len(weights["embeddings.position_embeddings.weight"]),
            activation=config.hidden_act,
            dropout=config.hidden_dropout_prob,
            attention_dropout=config.attention_probs_dropout_prob,
            pad_token_id=config.pad_token_id,
            id2label=names,
            label2id={name: index for index, name in names.items()},
        )
    )
    student.load_state_dict(weights)
    return student, taken


def spread(of: int, layers: int) -> list[int]:
    """Layers evenly spread from the first to the last; of twelve, six: 0, 2, 4, 7, 9, 11, as DistilBERT has it."""
    return [int(layer) for layer in np.rint(np.linspace(0, of - 1, layers))] if layers > 1 else [0]


def _student_weights(encoder: Any, taken: list[int]) -> dict[str, Tensor]:
    state, kind = encoder.state_dict(), encoder.config.model_type
    positions = state["embeddings.position_embeddings.weight"]
    if kind == "mpnet":
        positions = positions[encoder.embeddings.padding_idx + 1 :]
    else:
        positions = positions + state["embeddings.token_type_embeddings.weight"][0]
    weights = {
        "embeddings.word_embeddings.weight": state["embeddings.word_embeddings.weight"],
        "embeddings.position_embeddings.weight": positions,
    }
    names = {"embeddings.LayerNorm": "embeddings.LayerNorm"}
    for new, old in enumerate(taken):
        for theirs, ours in (_ATTENTION[kind] | _REST).items():
            names[f"encoder.layer.{old}.{theirs}"] = f"transformer.layer.{new}.{ours}"
    for theirs, ours in names.items():
        for part in ("weight", "bias"):
            weights[f"{ours}.{part}"] = state[f"{theirs}.{part}"]
    return weights


def _plain(tokenizer: Any, positions: int) -> PreTrainedTokenizerFast:
    """The same tokenizer without a class of its own, and without the token types that DistilBERT does not take."""
    special = {name: token for name in _SPECIAL_TOKENS if (token := getattr(tokenizer, name)) is not None}
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer.backend_tokenizer,
        model_max_length=positions,
        model_input_names=["input_ids", "attention_mask"],
        **special,
    )
