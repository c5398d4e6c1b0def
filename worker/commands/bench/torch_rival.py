"""A DistilBERT of random weights, once as transformers' pipeline in torch, once as bundles; and the bare products."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import torch
from numpy.typing import NDArray
from openvino import opset13 as op
from transformers import (
    DistilBertConfig,
    DistilBertForSequenceClassification,
    PreTrainedTokenizerFast,
    TextClassificationPipeline,
)

from schemas.emotions import EMOTIONS
from training.graphs.encoder_files import Precision, graph_files, precision_candidates, with_static_activations
from training.graphs.encoder_graph import Affine, EncoderWeights, distilbert_weights, linear
from worker.inference.bundle import GOLDEN_FILE, TOKENIZER_FILE, read_bundle, write_bundle
from worker.inference.cleaning import clean
from worker.inference.encoder import compile_options, computes_in_bf16, cpu_flags
from worker.inference.engine import Engine, load_engine


def precisions() -> dict[str, Precision]:
    """What this CPU computes in, each as fast as it can."""
    flags = cpu_flags()
    fastest = precision_candidates(flags)[0]
    in_int8 = {"int8": fastest} if fastest[1] != "float" else {}
    in_bf16: dict[str, Precision] = {"bf16": ("bf16", "float")} if computes_in_bf16(flags) else {}
    return {**in_int8, **in_bf16, "fp32": ("fp32", "float")}


@dataclass(frozen=True, slots=True)
class TorchRival:
    """The same network as a pipeline and as engines."""

    engines: dict[str, Engine]
    """By precision."""
    weights: EncoderWeights
    threads: int
    _pipeline: Any
    _max_tokens: int

    def pipeline(self, texts: Sequence[str], batch: int) -> NDArray[np.float32]:
        """Raw texts to probabilities, float32 ``[n, 6]``, through transformers."""
        answers = self._pipeline(
            [clean(text) for text in texts], batch_size=batch, truncation=True, max_length=self._max_tokens
        )
        by_label = ({one["label"]: one["score"] for one in answer} for answer in answers)
        return np.asarray([[scores[emotion] for emotion in EMOTIONS] for scores in by_label], np.float32)

    def matrix_products(self, precision: str, texts: Sequence[str], batch: int) -> Callable[[], None]:
        """A call that multiplies by all matrices of the layers, as often as ``texts`` need it, all threads alike.

        No attention, no norms, no padding: nothing that runs these matrices through this runtime is faster.
        """
        engine = self.engines[precision]
        tokens = sum(len(engine.tokens(clean(text))) for text in texts)
        each = max(1, round(len(texts) / batch / self.threads))
        times = each * self.threads
        states = np.random.default_rng(1).normal(size=(round(tokens / times), self.weights.words.shape[1]))
        given, calls = states.astype(np.float32), ThreadPoolExecutor(self.threads)
        activations = precisions()[precision][1]
        is_static = activations == "static"
        graph = _products(self.weights, len(texts) // times, int8=precision == "int8" and not is_static)
        if is_static:
            graph = with_static_activations(graph, [given])
        options = compile_options(precision, self.threads, activations, states.shape[1], cpu_flags())
        model = ov.Core().compile_model(graph, "CPU", options)
        requests = [model.create_infer_request() for _ in range(self.threads)]

        def some(request: Any) -> None:
            for _ in range(each):
                request.infer([given])

        def multiply() -> None:
            for _ in calls.map(some, requests):
                pass

        return multiply


def build_rival(like: Path, folder: Path, threads: int | None, typical: Sequence[str], **sizes: float) -> TorchRival:
    """Write the bundles into ``folder``; tokenizer and most tokens are those of the bundle ``like``.

    ``typical`` raw texts tell the scales of int8 activations; ``sizes`` override the configuration of DistilBERT.
    """
    threads = threads or len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    manifest = read_bundle(like).manifest
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(like / TOKENIZER_FILE), **special)  # type: ignore[no-untyped-call]
    names: dict[str, Any] = {"id2label": dict(enumerate(EMOTIONS)), "initializer_range": 0.05}
    config = DistilBertConfig(vocab_size=len(tokenizer), **names | sizes)
    model: Any = DistilBertForSequenceClassification(config)
    build_pipeline: Any = TextClassificationPipeline
    pipeline = build_pipeline(model=model.eval(), tokenizer=tokenizer, device="cpu", top_k=None)
    weights = replace(
        distilbert_weights(model.distilbert, model.classifier),
        pooling="cls",
        head=[_affine(model.pre_classifier), _affine(model.classifier)],
    )
    files = {name: (like / name).read_bytes() for name in (TOKENIZER_FILE, GOLDEN_FILE)}
    fields = manifest.model_dump(exclude={"cleaner_id", "files"}) | {"kind": "distilbert", "temperature": 1.0}
    engines: dict[str, Engine] = {}
    calibration = [
        tokenizer(clean(text), truncation=True, max_length=manifest.max_tokens).input_ids for text in typical
    ]
    for name, precision in precisions().items():
        fields |= {
            "name": f"distilbert-random-{name}",
            "precision": precision[0],
            "architecture": {"pooling": "cls", "hidden_size": config.dim, "activations": precision[1]},
        }
        write_bundle(folder / name, fields, files | graph_files(weights, precision, calibration))
        engines[name] = load_engine(folder / name, threads=threads, check_golden=False)
    return TorchRival(engines, weights, threads, pipeline, manifest.max_tokens)


def _affine(module: Any) -> Affine:
    return Affine(module.weight.detach().numpy(), module.bias.detach().numpy())


def _products(weights: EncoderWeights, slots: int, *, int8: bool) -> ov.Model:
    """One chain of the layers' matrices; the last layer's for ``slots`` tokens but for keys and values."""
    states = given = op.parameter([-1, weights.words.shape[1]], np.float32)
    *layers, last = weights.layers
    for layer in layers:
        for matrix in (layer.query, layer.key, layer.value, layer.attended, layer.widen, layer.narrow):
            states = linear(states, matrix, int8=int8)
    states = linear(linear(states, last.key, int8=int8), last.value, int8=int8)
    states = op.slice(states, np.array([0]), np.array([slots]), np.array([1]), np.array([0]))
    for matrix in (last.query, last.attended, last.widen, last.narrow):
        states = linear(states, matrix, int8=int8)
    return ov.Model([op.result(states)], [given], "products")
