"""What an encoder begins with: a run, or what is served."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from tests.bundles import manifest_fields
from tests.encoders import UNUSED, build_bert, build_distilbert, build_mpnet
from training.encoder import (
    BEST_FILE,
    EncoderClassifier,
    encode,
    load_encoder,
    load_run,
    predict_logits,
    save_encoder,
)
from training.encoder_start import begin_with
from training.errors import DataUnreadable, SettingUnfit
from training.graphs.encoder_files import Precision, graph_files
from training.graphs.encoder_graph import encoder_weights
from training.pruning import prune
from worker.inference.bundle import GOLDEN_FILE, TOKENIZER_FILE, write_bundle

TEXTS = ["my day is so sunny", "tears again", "furious people in this street", "a kiss, unexpected"]
GOLDEN = json.dumps([{"text": TEXTS[0], "probabilities": [1 / 6] * 6}]).encode()


def build_fitted(base: Path) -> tuple[Any, EncoderClassifier]:
    """A model on ``base`` whose weights are no longer those of the base, as after a training."""
    tokenizer, model = load_encoder(str(base))
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return tokenizer, model


def write_served(
    tokenizer: Any,
    model: EncoderClassifier,
    folder: Path,
    precision: Precision = ("fp32", "float"),
    pruned: tuple[Tokenizer, NDArray[np.intp]] | None = None,
) -> None:
    architecture = {"pooling": "mean", "hidden_size": 32, "activations": precision[1]}
    fields = manifest_fields("encoder", precision=precision[0], architecture=architecture)
    weights, words = encoder_weights(model.encoder, model.head), tokenizer.backend_tokenizer
    if pruned is not None:
        words, weights = pruned[0], replace(weights, words=weights.words[pruned[1]])
    graph = graph_files(weights, precision, encode(tokenizer, TEXTS, 64))
    write_bundle(folder, fields, {**graph, TOKENIZER_FILE: words.to_str().encode(), GOLDEN_FILE: GOLDEN})


def logits(tokenizer: Any, model: EncoderClassifier) -> Any:
    return predict_logits(model, encode(tokenizer, TEXTS, 64), dtype=torch.float32)


@pytest.mark.parametrize("build", [build_bert, build_mpnet, build_distilbert])
def test_a_model_begun_with_a_bundle_answers_as_the_one_that_was_exported(
    build: Callable[[Path], object], tmp_path: Path
) -> None:
    build(tmp_path / "base")
    tokenizer, exported = build_fitted(tmp_path / "base")
    write_served(tokenizer, exported, tmp_path / "bundle")
    begun = load_encoder(str(tmp_path / "base"))[1]
    assert not np.allclose(logits(tokenizer, begun), logits(tokenizer, exported), atol=0.1)
    begin_with(tokenizer, begun, tmp_path / "bundle")
    np.testing.assert_allclose(logits(tokenizer, begun), logits(tokenizer, exported), atol=1e-4)


@pytest.mark.parametrize("precision", [("int8", "float"), ("int8", "static")])
def test_int8_costs_little(precision: Precision, tmp_path: Path) -> None:
    build_bert(tmp_path / "base")
    tokenizer, exported = build_fitted(tmp_path / "base")
    write_served(tokenizer, exported, tmp_path / "bundle", precision)
    begun, wanted = load_encoder(str(tmp_path / "base"))[1], logits(tokenizer, exported)
    before = np.abs(logits(tokenizer, begun) - wanted).max()
    begin_with(tokenizer, begun, tmp_path / "bundle")
    assert np.abs(logits(tokenizer, begun) - wanted).max() < before / 10


def test_word_pieces_that_a_bundle_lacks_keep_their_rows(tmp_path: Path) -> None:
    build_bert(tmp_path / "base")
    tokenizer, exported = build_fitted(tmp_path / "base")
    pruned, rows = prune(tokenizer.backend_tokenizer, TEXTS, frequent=0)
    write_served(tokenizer, exported, tmp_path / "bundle", pruned=(pruned, rows))
    begun = load_encoder(str(tmp_path / "base"))[1]
    old = begun.encoder.embeddings.word_embeddings.weight.detach().clone()
    begin_with(tokenizer, begun, tmp_path / "bundle")
    np.testing.assert_allclose(logits(tokenizer, begun), logits(tokenizer, exported), atol=1e-4)
    new, zebra = begun.encoder.embeddings.word_embeddings.weight, tokenizer.convert_tokens_to_ids("zebra")
    assert "zebra" in UNUSED
    assert torch.equal(new[zebra], old[zebra])


def test_what_cannot_be_begun_with_is_named(tiny_bundle: Path, tmp_path: Path) -> None:
    build_bert(tmp_path / "base")
    tokenizer, model = load_encoder(str(tmp_path / "base"))
    with pytest.raises(DataUnreadable, match=r"encoder is missing; name a run of `train distilbert`"):
        begin_with(tokenizer, model, tmp_path)
    with pytest.raises(SettingUnfit, match=r"is a bundle of an LSTM; name a run or a bundle of an encoder"):
        begin_with(tokenizer, model, tiny_bundle)


def test_a_start_of_another_base_is_named(tmp_path: Path) -> None:
    build_bert(tmp_path / "base")
    build_bert(tmp_path / "deeper", layers=3)
    build_mpnet(tmp_path / "other")
    tokenizer, model = load_encoder(str(tmp_path / "base"))
    save_encoder(tmp_path, tokenizer, model)
    torch.save(model.state_dict(), tmp_path / BEST_FILE)
    write_served(tokenizer, model, tmp_path / "bundle")
    begin_with(tokenizer, model, tmp_path)
    for base, start in (("other", tmp_path), ("other", tmp_path / "bundle"), ("deeper", tmp_path / "bundle")):
        with pytest.raises(SettingUnfit, match=r"another base than this one; name the --base it had"):
            begin_with(*load_encoder(str(tmp_path / base)), start)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_base_that_was_saved_in_halves_is_trained_in_float32(dtype: torch.dtype, tmp_path: Path) -> None:
    build_bert(tmp_path / "base").to(dtype).save_pretrained(tmp_path / "base")
    tokenizer, model = load_encoder(str(tmp_path / "base"))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    save_encoder(tmp_path, tokenizer, model)
    torch.save(model.state_dict(), tmp_path / BEST_FILE)
    again = load_run(tmp_path)[1]
    assert {parameter.dtype for parameter in again.parameters()} == {torch.float32}
    np.testing.assert_array_equal(logits(tokenizer, again), logits(tokenizer, model))
