"""An OpenVINO graph of a BERT-like encoder over rows in which several tweets are packed without padding between them.

Contract: inputs ``token_ids``, ``position_ids``, ``segment_ids`` int64 ``[rows, time]`` (segment 0 is unused room;
positions restart with every tweet), ``slot_segments`` int64 ``[rows, slots]``, ``slot_weights`` float32
``[rows, slots, time]`` (mean: 1/length over a tweet's tokens; cls: 1 at its first); output ``logits`` float32
``[rows, slots, 6]``. A token attends to the tokens of its own segment only.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
import openvino as ov
import torch
from numpy.typing import NDArray
from openvino import opset13 as op
from torch import Tensor

from training.errors import ExportRefused

Array = NDArray[np.float32]
_INPUTS = ("token_ids", "position_ids", "segment_ids", "slot_segments", "slot_weights")
_MASKED = np.float32(-1e9)


@dataclass(frozen=True, slots=True)
class Affine:
    """``weight`` float32 ``[out, in]`` and ``bias`` ``[out]``; of a layer norm both are ``[hidden]``."""

    weight: Array
    bias: Array


@dataclass(frozen=True, slots=True)
class EncoderLayer:
    """One transformer layer, norms after the residual sums."""

    query: Affine
    key: Affine
    value: Affine
    attended: Affine
    attention_norm: Affine
    widen: Affine
    narrow: Affine
    output_norm: Affine


@dataclass(frozen=True, slots=True)
class EncoderWeights:
    """All weights of an encoder and its head.

    Attributes:
        words: float32 ``[vocabulary, hidden]``.
        positions: float32 ``[positions, hidden]`` from a text's first token on, token type 0 added where the model has
            types.
        head: linear layers with ReLU between them; the last gives the logits.
        distances: float32 ``[2 * positions - 1, heads]``, what MPNet adds to the attention between tokens at each
            distance; other encoders add nothing.
    """

    words: Array
    positions: Array
    embedding_norm: Affine
    layers: Sequence[EncoderLayer]
    head: Sequence[Affine]
    pooling: Literal["cls", "mean"]
    heads: int
    epsilon: float
    distances: Array | None = None

    def affines(self) -> list[Affine]:
        """All that is multiplied and added, from the first norm to the logits."""
        of_layers = (getattr(layer, field.name) for layer in self.layers for field in fields(layer))
        return [self.embedding_norm, *of_layers, *self.head]


def encoder_weights(encoder: Any, head: Any) -> EncoderWeights:
    """Weights of an encoder of transformers under mean pooling and a torch ``Linear``.

    All but positions and distances share memory with a float32 model on the CPU.

    Raises:
        ExportRefused: an encoder of another layout.
    """
    check_layout(encoder.config)
    return _READERS[encoder.config.model_type](encoder, head)


def check_layout(config: Any) -> None:
    """Whether there is a graph for an encoder with this configuration of transformers.

    Raises:
        ExportRefused: there is none.
    """
    kind = config.model_type
    if kind not in _READERS:
        raise ExportRefused(f"no graph for a {kind} encoder: serve one of {', '.join(_READERS)}, or teach one with it")
    if getattr(config, "is_decoder", False):
        raise ExportRefused(f"no graph for a {kind} that is a decoder; is_decoder in its config must be false")
    activation = config.activation if kind == "distilbert" else config.hidden_act
    if activation != "gelu":
        raise ExportRefused(f"no graph for an encoder with {activation}, only for gelu")


def distilbert_weights(encoder: Any, head: Any) -> EncoderWeights:
    """Weights of a transformers ``DistilBertModel`` and a torch ``Linear``; pools the mean."""
    attention = [f"attention.{name}_lin" for name in ("q", "k", "v", "out")]
    names = (*attention, "sa_layer_norm", "ffn.lin1", "ffn.lin2", "output_layer_norm")
    return _weights(encoder, head, "transformer.layer", names, epsilon=1e-12)


def bert_weights(encoder: Any, head: Any) -> EncoderWeights:
    """Weights of a transformers ``BertModel`` (MiniLM among them) and a torch ``Linear``; pools the mean."""
    projections = ("self.query", "self.key", "self.value", "output.dense", "output.LayerNorm")
    weights = _bert_like(encoder, head, projections)
    types = _arrays(encoder)["embeddings.token_type_embeddings.weight"][:1]
    return replace(weights, positions=weights.positions + types)


def roberta_weights(encoder: Any, head: Any) -> EncoderWeights:
    """As `bert_weights`, of a ``RobertaModel`` or ``XLMRobertaModel``: positions begin after that of padding."""
    weights = bert_weights(encoder, head)
    return replace(weights, positions=weights.positions[encoder.config.pad_token_id + 1 :])


def mpnet_weights(encoder: Any, head: Any) -> EncoderWeights:
    """Weights of a transformers ``MPNetModel`` and a torch ``Linear``; pools the mean."""
    weights = _bert_like(encoder, head, ("attn.q", "attn.k", "attn.v", "attn.o", "LayerNorm"))
    positions = weights.positions[encoder.embeddings.padding_idx + 1 :]
    of_bucket = _arrays(encoder)["encoder.relative_attention_bias.weight"]
    return replace(weights, positions=positions, distances=of_bucket[distance_buckets(encoder, len(positions))])


def distance_buckets(encoder: Any, positions: int) -> Tensor:
    """Which row of its biases an ``MPNetModel`` takes for each distance, int64 ``[2 * positions - 1]``."""
    distances = torch.arange(1 - positions, positions)
    buckets: Tensor = encoder.encoder.relative_position_bucket(
        distances, num_buckets=encoder.config.relative_attention_num_buckets
    )
    return buckets


def _bert_like(encoder: Any, head: Any, attention: Sequence[str]) -> EncoderWeights:
    names = (*(f"attention.{name}" for name in attention), "intermediate.dense", "output.dense", "output.LayerNorm")
    return _weights(encoder, head, "encoder.layer", names, epsilon=encoder.config.layer_norm_eps)


def _weights(encoder: Any, head: Any, stack: str, names: Sequence[str], *, epsilon: float) -> EncoderWeights:
    """Weights under mean pooling; ``names`` of a layer's parts are in the order of `EncoderLayer`."""
    state, config = _arrays(encoder), encoder.config
    layers = [
        EncoderLayer(*(_affine(state, f"{stack}.{i}.{name}") for name in names))
        for i in range(config.num_hidden_layers)
    ]
    return EncoderWeights(
        words=state["embeddings.word_embeddings.weight"],
        positions=state["embeddings.position_embeddings.weight"],
        embedding_norm=_affine(state, "embeddings.LayerNorm"),
        layers=layers,
        head=[_affine(_arrays(head, "head."), "head")],
        pooling="mean",
        heads=config.num_attention_heads,
        epsilon=epsilon,
    )


_READERS = {
    "bert": bert_weights,
    "distilbert": distilbert_weights,
    "mpnet": mpnet_weights,
    "roberta": roberta_weights,
    "xlm-roberta": roberta_weights,
}


def _arrays(module: Any, prefix: str = "") -> dict[str, Array]:
    return {prefix + name: tensor.detach().float().cpu().numpy() for name, tensor in module.state_dict().items()}


def _affine(state: dict[str, Array], name: str) -> Affine:
    return Affine(state[f"{name}.weight"], state[f"{name}.bias"])


def build_encoder_graph(weights: EncoderWeights, *, int8_tables: bool = False, int8_matrices: bool = False) -> ov.Model:
    """The model of the contract above.

    int8 tables of words and positions have a scale for each row, int8 matrices one for each output channel.
    """
    return _Graph(weights, int8_tables, int8_matrices).model()


class _Graph:
    def __init__(self, weights: EncoderWeights, int8_tables: bool, int8_matrices: bool) -> None:
        self._weights = weights
        self._int8_tables = int8_tables
        self._int8_matrices = int8_matrices
        self._width = weights.words.shape[1] // weights.heads

    def model(self) -> ov.Model:
        weights = self._weights
        ids, positions, segments, slot_segments = (op.parameter([-1, -1], np.int64) for _ in range(4))
        slots = op.parameter([-1, -1, -1], np.float32)
        states = op.add(self._look_up(weights.words, ids), self._look_up(weights.positions, positions))
        states = self._norm(states, weights.embedding_norm)
        own = self._scope(segments, segments, positions, positions)
        is_cls = weights.pooling == "cls"
        for layer in weights.layers[:-1] if is_cls else weights.layers:
            states = self._layer(layer, states, states, own)
        pooled = op.matmul(slots, states, False, False)
        if is_cls:
            first = op.multiply(slot_segments, np.int64(0))
            scope = self._scope(slot_segments, segments, first, positions)
            pooled = self._layer(weights.layers[-1], pooled, states, scope)
        for hidden in weights.head[:-1]:
            pooled = op.relu(self._linear(pooled, hidden))
        logits = op.result(self._linear(pooled, weights.head[-1]))
        inputs = [ids, positions, segments, slot_segments, slots]
        model = ov.Model([logits], inputs, "packed-encoder")
        for node, name in zip(inputs, _INPUTS, strict=True):
            node.output(0).set_names({name})
        model.output(0).set_names({"logits"})
        return model

    def _layer(self, layer: EncoderLayer, asking: Any, states: Any, scope: Any) -> Any:
        query, key, value = (
            self._split(self._linear(source, projection))
            for source, projection in ((asking, layer.query), (states, layer.key), (states, layer.value))
        )
        scale = np.float32(1 / math.sqrt(self._width))
        scores = op.add(op.multiply(op.matmul(query, key, False, True), scale), scope)
        context = op.matmul(op.softmax(scores, -1), value, False, False)
        merged = op.reshape(op.transpose(context, np.array([0, 2, 1, 3])), np.array([0, 0, -1]), True)
        attended = self._norm(op.add(asking, self._linear(merged, layer.attended)), layer.attention_norm)
        wide = op.gelu(self._linear(attended, layer.widen), "erf")
        return self._norm(op.add(attended, self._linear(wide, layer.narrow)), layer.output_norm)

    def _scope(self, asking: Any, segments: Any, asking_positions: Any, positions: Any) -> Any:
        """What is added to the attention: nearly all of minus infinity between tweets, MPNet's distances within one."""
        same = op.equal(op.unsqueeze(asking, np.array([1, 3])), op.unsqueeze(segments, np.array([1, 2])))
        table = self._weights.distances
        if table is None:
            return op.select(same, np.float32(0), _MASKED)
        distance = op.subtract(op.unsqueeze(positions, np.array([1])), op.unsqueeze(asking_positions, np.array([2])))
        biases = op.gather(op.constant(table), op.add(distance, np.int64(len(table) // 2)), np.int64(0))
        return op.select(same, op.transpose(biases, np.array([0, 3, 1, 2])), _MASKED)

    def _split(self, states: Any) -> Any:
        shape = np.array([0, 0, self._weights.heads, self._width])
        return op.transpose(op.reshape(states, shape, True), np.array([0, 2, 1, 3]))

    def _norm(self, states: Any, norm: Affine) -> Any:
        normal = op.mvn(states, np.array([-1]), True, self._weights.epsilon, "inside_sqrt")
        return op.add(op.multiply(normal, norm.weight), norm.bias)

    def _linear(self, states: Any, layer: Affine) -> Any:
        return linear(states, layer, int8=self._int8_matrices)

    def _look_up(self, table: Array, ids: Any) -> Any:
        if not self._int8_tables:
            return op.gather(op.constant(table), ids, np.int64(0))
        values, scales = (op.constant(array) for array in _quantised(table))
        rows = op.convert(op.gather(values, ids, np.int64(0)), "f32")
        return op.multiply(rows, op.gather(scales, ids, np.int64(0)))


def linear(states: Any, layer: Affine, *, int8: bool) -> Any:
    """OpenVINO nodes of a linear layer, its matrix stored as float32 or as int8."""
    if int8:
        values, scales = _quantised(layer.weight)
        matrix = op.multiply(op.convert(op.constant(values), "f32"), op.constant(scales))
    else:
        matrix = op.constant(layer.weight)
    return op.add(op.matmul(states, matrix, False, True), layer.bias)


def _quantised(matrix: Array) -> tuple[NDArray[np.int8], Array]:
    """Symmetric int8 ``[rows, columns]`` and scales float32 ``[rows, 1]``."""
    scales = np.maximum(np.abs(matrix).max(axis=1, keepdims=True), np.float32(1e-12)) / np.float32(127)
    return np.rint(matrix / scales).astype(np.int8), scales.astype(np.float32)
