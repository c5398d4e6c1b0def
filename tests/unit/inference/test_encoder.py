"""The packed encoder graph against transformers, and its independence from the batch."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import openvino as ov
import pytest
import torch
from numpy.typing import NDArray
from transformers import AutoModel, BertConfig, DistilBertConfig, MPNetConfig, RobertaConfig, XLMRobertaConfig

from schemas.bundle import BundleManifest
from tests.bundles import manifest_fields
from training.encoder import EncoderClassifier
from training.errors import ExportRefused
from training.export import MOST_CHANGE_BY_REBATCHING
from training.graphs.encoder_files import Precision, graph_files, precision_candidates
from training.graphs.encoder_graph import Affine, EncoderWeights, encoder_weights
from training.graphs.encoder_reader import read_encoder_graph
from worker.inference.bundle import Bundle
from worker.inference.encoder import (
    Activations,
    EncoderRuntime,
    compile_options,
    computes_in_bf16,
    cpu_flags,
    lesser_cpus,
    packed,
    served_precision,
)
from worker.inference.engine import softmax
from worker.inference.errors import BundleUnfit

VOCABULARY = 300
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "initializer_range": 0.2,
}
CONFIGS: dict[str, Any] = {
    "bert": BertConfig(**SIZES),
    "distilbert": DistilBertConfig(
        vocab_size=VOCABULARY, dim=64, hidden_dim=128, n_layers=3, n_heads=4, initializer_range=0.2
    ),
    "mpnet": MPNetConfig(**SIZES, max_position_embeddings=130),
    "roberta": RobertaConfig(**SIZES, max_position_embeddings=130),
    "xlm-roberta": XLMRobertaConfig(**SIZES, max_position_embeddings=130),
}


def build_model(kind: str) -> EncoderClassifier:
    torch.manual_seed(1)
    return EncoderClassifier(AutoModel.from_config(CONFIGS[kind])).eval()  # type: ignore[no-untyped-call]


def build_runtime(
    model: EncoderClassifier, folder: Path, *, precision: Precision = ("fp32", "float"), threads: int = 1
) -> EncoderRuntime:
    for name, content in graph_files(encoder_weights(model.encoder, model.head), precision, tweets(60)).items():
        (folder / name).write_bytes(content)
    return EncoderRuntime(bundle_like(folder, precision=precision[0], activations=precision[1]), threads=threads)


def bundle_like(folder: Path, *, precision: str = "int8", **architecture: Any) -> Bundle:
    fields = manifest_fields("encoder", precision=precision, cleaner_id="any", files={})
    fields["architecture"] = {"pooling": "mean", "hidden_size": 64, **architecture}
    manifest = BundleManifest.model_validate(fields)
    return Bundle(folder, manifest, ())


def tweets(number: int) -> list[list[int]]:
    random = np.random.default_rng(2)
    return [random.integers(5, VOCABULARY, random.integers(1, 70)).tolist() for _ in range(number)]


@pytest.mark.parametrize("kind", CONFIGS)
def test_packed_rows_answer_as_transformers_does_one_tweet_at_a_time(kind: str, tmp_path: Path) -> None:
    model, ids = build_model(kind), tweets(60)
    given = build_runtime(model, tmp_path).logits(ids)
    with torch.inference_mode():
        wanted = [model(torch.tensor([i]), torch.ones(1, len(i), dtype=torch.long)).numpy()[0] for i in ids]
    np.testing.assert_allclose(given, np.stack(wanted), atol=2e-3)


PRECISIONS: list[Precision] = [("fp32", "float"), ("int8", "float"), ("int8", "token"), ("int8", "static")]


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("precision", [("fp32", "float"), ("int8", "float"), ("int8", "static")])
@pytest.mark.parametrize("kind", CONFIGS)
def test_the_weights_of_a_graph_can_be_read_back(
    kind: str, precision: Precision, pooling: Literal["mean", "cls"], tmp_path: Path
) -> None:
    model = build_model(kind)
    hidden = Affine(np.eye(64, dtype=np.float32), np.full(64, 3, np.float32))  # ReLU ends no channel
    weights = encoder_weights(model.encoder, model.head)
    weights = replace(weights, pooling=pooling, head=[hidden, *weights.head])
    for name, content in graph_files(weights, precision, tweets(60)).items():
        (tmp_path / name).write_bytes(content)
    read = read_encoder_graph(ov.Core().read_model(tmp_path / "model.xml"))
    assert (read.pooling, read.heads) == (pooling, weights.heads)
    assert read.epsilon == pytest.approx(weights.epsilon)
    mean_error = 0.0 if precision[0] == "fp32" else 0.01  # of weights around 0.16
    for ours, theirs in zip(arrays_of(weights), arrays_of(read), strict=True):
        assert np.abs(theirs - ours).mean() <= mean_error


def arrays_of(weights: EncoderWeights) -> list[NDArray[np.float32]]:
    found = [weights.words, weights.positions, *(a for one in weights.affines() for a in (one.weight, one.bias))]
    return found if weights.distances is None else [*found, weights.distances]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_answer_does_not_depend_on_its_neighbours(precision: Precision, tmp_path: Path) -> None:
    runtime, ids = build_runtime(build_model("bert"), tmp_path, precision=precision), tweets(60)
    together = runtime.logits(ids)
    alone = np.concatenate([runtime.logits([tweet]) for tweet in ids])
    np.testing.assert_allclose(softmax(alone), softmax(together), atol=MOST_CHANGE_BY_REBATCHING[precision[0]])


def test_threads_do_not_change_an_answer(tmp_path: Path) -> None:
    model, ids = build_model("bert"), tweets(60)
    (tmp_path / "one").mkdir()
    one = build_runtime(model, tmp_path / "one").logits(ids)
    np.testing.assert_allclose(build_runtime(model, tmp_path, threads=3).logits(ids), one, atol=1e-3)


def test_the_first_call_is_made_by_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    callers = []
    call = EncoderRuntime._call

    def noted(*given: Any) -> None:
        callers.append(threading.current_thread())
        call(*given)

    monkeypatch.setattr(EncoderRuntime, "_call", noted)
    build_runtime(build_model("bert"), tmp_path, threads=2)
    assert callers == [threading.current_thread()]


@pytest.mark.timeout(60)
def test_calls_that_fail_take_no_thread_away(tmp_path: Path) -> None:
    runtime, unfit = build_runtime(build_model("bert"), tmp_path, threads=2), [["no id"]]
    for _ in range(3):
        with pytest.raises(ValueError, match="no id"):
            runtime.logits(unfit)  # type: ignore[arg-type]
    assert runtime.logits(tweets(5)).shape == (5, 6)


def test_every_tweet_is_packed_once_and_fits_its_row() -> None:
    lengths = [3, 64, 10, 70, 20, 20, 20, 1]
    rows = packed(lengths, row_tokens=64)
    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    assert all(sum(lengths[i] for i in row) <= max(64, lengths[row[0]]) for row in rows)
    assert [[lengths[i] for i in row] for row in rows] == [[70], [64], [20, 20, 20, 3, 1], [10]]


BF16, PLAIN, VNNI = frozenset({"avx512_bf16"}), frozenset({"avx2"}), frozenset({"avx512_vnni"})


@pytest.mark.parametrize(
    ("kept", "activations", "on_bf16", "elsewhere"),
    [
        ("fp32", "float", "fp32", "fp32"),
        ("bf16", "float", "bf16", "fp32"),
        ("int8", "float", "bf16", "fp32"),
        ("int8", "token", "int8", "int8"),
        ("int8", "static", "bf16", "fp32"),
    ],
)
def test_bf16_is_served_only_where_the_cpu_computes_in_it(
    kept: str, activations: Activations, on_bf16: str, elsewhere: str
) -> None:
    assert served_precision(kept, BF16, activations) == on_bf16
    assert served_precision(kept, PLAIN, activations) == elsewhere


def test_what_is_fast_on_a_cpu_is_tried_first() -> None:
    static, token = (("int8", "static"),), (("int8", "token"),)
    rest, without_bf16 = (
        (("int8", "float"), ("bf16", "float"), ("fp32", "float")),
        (("int8", "float"), ("fp32", "float")),
    )
    assert precision_candidates(BF16) == rest
    assert precision_candidates(PLAIN) == without_bf16
    assert precision_candidates(BF16 | VNNI) == static + rest
    assert precision_candidates(PLAIN | VNNI) == static + token + without_bf16


@pytest.mark.parametrize(
    ("precision", "lacking"),
    [
        (("fp32", "float"), []),
        (("bf16", "float"), ["bf16"]),
        (("int8", "float"), ["bf16"]),
        (("int8", "token"), []),
        (("int8", "static"), ["bf16", "bf16 and VNNI"]),
    ],
)
def test_lesser_cpus_are_those_that_serve_otherwise(precision: Precision, lacking: list[str]) -> None:
    assert list(lesser_cpus(*precision, BF16 | VNNI | PLAIN)) == lacking
    assert list(lesser_cpus(*precision, VNNI | PLAIN)) == [name for name in lacking if name != "bf16"]
    assert lesser_cpus(*precision, PLAIN) == {}
    assert set(lesser_cpus(*precision, BF16 | VNNI | PLAIN).values()) <= {VNNI | PLAIN, PLAIN}


def test_static_activations_are_multiplied_as_integers_only_where_these_do_not_overflow() -> None:
    assert [served_precision("int8", flags, "static") for flags in (VNNI, BF16 | VNNI)] == ["int8", "int8"]
    hints = [compile_options("int8", 2, "static", 64, flags) for flags in (VNNI, BF16 | VNNI)]
    assert [hint["INFERENCE_PRECISION_HINT"] for hint in hints] == ["f32", "bf16"]


def test_static_activations_answer_nearly_as_floats_and_alike_on_every_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, ids = build_model("bert"), tweets(60)
    exact = softmax(build_runtime(model, tmp_path).logits(ids))

    def answers(flags: frozenset[str]) -> NDArray[np.float32]:
        monkeypatch.setattr("worker.inference.encoder.cpu_flags", lambda: flags)
        return softmax(build_runtime(model, tmp_path, precision=("int8", "static")).logits(ids))

    here, plain = answers(cpu_flags()), answers(PLAIN)
    np.testing.assert_allclose(here, plain, atol=0.05)
    np.testing.assert_allclose(here, exact, atol=0.1)
    assert np.abs(here - exact).max() > 1e-4, "nothing was quantised"


def test_a_bundle_made_before_static_scales_is_served_as_it_was(tmp_path: Path) -> None:
    model, ids = build_model("bert"), tweets(60)
    old = build_runtime(model, tmp_path, precision=("int8", "token"))
    assert old.precision == "int8"
    old_key = bundle_like(tmp_path, quantised_activations=True)
    np.testing.assert_array_equal(EncoderRuntime(old_key, threads=1).logits(ids), old.logits(ids))


@pytest.mark.parametrize("unknown", ["ternary", ["static"]])
def test_unknown_activations_are_refused(unknown: object, tmp_path: Path) -> None:
    with pytest.raises(BundleUnfit, match=r"activations .* are unknown"):
        EncoderRuntime(bundle_like(tmp_path, activations=unknown), threads=1)


@pytest.mark.skipif(not computes_in_bf16(cpu_flags()), reason="OpenVINO compiles nothing in bf16 for this CPU")
def test_int8_weights_answer_alike_in_bf16_and_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, ids = build_model("bert"), tweets(60)

    def answers(flags: frozenset[str]) -> NDArray[np.float32]:
        monkeypatch.setattr("worker.inference.encoder.cpu_flags", lambda: flags)
        return softmax(build_runtime(model, tmp_path, precision=("int8", "float")).logits(ids))

    np.testing.assert_allclose(answers(BF16), answers(PLAIN), atol=0.05)


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("model_type", "albert", "albert"),
        ("hidden_act", "relu", "relu, only for gelu"),
        ("is_decoder", True, "a bert that is a decoder"),
    ],
)
def test_an_encoder_without_a_graph_is_refused_with_what_is_odd(setting: str, value: object, said: str) -> None:
    model = EncoderClassifier(AutoModel.from_config(BertConfig(**SIZES)))  # type: ignore[no-untyped-call]
    setattr(model.encoder.config, setting, value)
    with pytest.raises(ExportRefused, match=said):
        encoder_weights(model.encoder, model.head)
