"""The weights back from a graph of `training.graphs.encoder_graph`, so that what is served can learn on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino as ov

from training.graphs.encoder_graph import Affine, Array, EncoderLayer, EncoderWeights


def read_encoder_graph(model: ov.Model) -> EncoderWeights:
    """The weights of a graph that `build_encoder_graph` made, in float32; of int8 ones the floats that they stand for.

    Raises:
        ValueError: another graph.
    """
    head, pooled = _head(_back(model.outputs[0].get_node(), "Result"))
    is_cls = pooled.get_type_name() != "MatMul"
    last = states = pooled if is_cls else _back(pooled, "MatMul.1")
    layers: list[EncoderLayer] = []
    while not _is_embedding(states):
        layer, states = _layer(states)
        layers.insert(0, layer)
    embedding_norm, looked_up = _norm(states)
    return EncoderWeights(
        words=_table(_back(looked_up, "Add")),
        positions=_table(_back(looked_up, "Add.1")),
        embedding_norm=embedding_norm,
        layers=layers,
        head=head,
        pooling="cls" if is_cls else "mean",
        heads=int(_values(_back(_context(last), "MatMul.1", "Transpose", "Reshape.1"))[2]),
        epsilon=float(_back(states, "Add", "Multiply").get_attributes()["eps"]),
        distances=_distances(_back(_context(last), "MatMul", "Softmax", "Add.1")),
    )


def _head(logits: Any) -> tuple[Sequence[Affine], Any]:
    """The linear layers, and what goes into the first."""
    last, node = _linear(logits)
    head = [last]
    while node.get_type_name() == "Relu":
        layer, node = _linear(_back(node, "Relu"))
        head.insert(0, layer)
    return head, node


def _is_embedding(states: Any) -> bool:
    """Whether the sum under a norm is that of two tables' rows."""
    return _back(_norm(states)[1], "Add.1").get_type_name() in ("Gather", "Multiply")


def _layer(out: Any) -> tuple[EncoderLayer, Any]:
    """The layer that ends in ``out``, and the states of all tokens that go into it."""
    output_norm, residual = _norm(out)
    narrow, wide = _linear(_back(residual, "Add.1"))
    widen, attended = _linear(_back(wide, "Gelu"))
    attention_norm, residual = _norm(attended)
    joined, _ = _linear(_back(residual, "Add.1"))
    context = _context(out)
    scores = _back(context, "MatMul", "Softmax", "Add", "Multiply")
    (query, _), (key, states), (value, _) = (
        _linear(_back(product, place, "Transpose", "Reshape"))
        for product, place in ((scores, "MatMul"), (scores, "MatMul.1"), (context, "MatMul.1"))
    )
    return EncoderLayer(query, key, value, joined, attention_norm, widen, narrow, output_norm), states


def _context(out: Any) -> Any:
    """The product of attention and values in the layer that ends in ``out``."""
    attended = _back(_norm(out)[1], "Add")
    _, merged = _linear(_back(_norm(attended)[1], "Add.1"))
    return _back(merged, "Reshape", "Transpose")


def _distances(scope: Any) -> Array | None:
    """What an MPNet adds for each distance."""
    added = _back(scope, "Select.1")
    return _values(_back(added, "Transpose", "Gather")) if added.get_type_name() == "Transpose" else None


def _norm(node: Any) -> tuple[Affine, Any]:
    norm = Affine(_values(_back(node, "Add", "Multiply.1")), _values(_back(node, "Add.1")))
    return norm, _back(node, "Add", "Multiply", "MVN")


def _linear(node: Any) -> tuple[Affine, Any]:
    """A linear layer, and what goes into it before SmoothQuant scaled its channels and int8 rounded them."""
    matrix, given = _values(_back(node, "Add", "MatMul.1")), _back(node, "Add", "MatMul")
    if given.get_type_name() == "FakeQuantize":
        given = _back(given, "FakeQuantize")
        if given.get_type_name() == "Multiply":
            matrix, given = matrix * _values(_back(given, "Multiply.1")).reshape(-1), _back(given, "Multiply")
    return Affine(matrix, _values(_back(node, "Add.1"))), given


def _table(rows: Any) -> Array:
    if rows.get_type_name() == "Gather":
        return _values(_back(rows, "Gather"))
    return _values(_back(rows, "Multiply", "Convert", "Gather")) * _values(_back(rows, "Multiply.1", "Gather"))


def _values(node: Any) -> Array:
    """What a constant holds, or int8 values times their scales."""
    if node.get_type_name() == "Multiply":
        return _values(_back(node, "Multiply", "Convert")) * _values(_back(node, "Multiply.1"))
    if node.get_type_name() != "Constant":
        raise ValueError(f"{node.get_friendly_name()} is a {node.get_type_name()} where weights should be")
    return np.array(node.data, np.float32)


def _back(node: Any, *path: str) -> Any:
    """Against the arrows: ``"Add.1"`` goes from a node, which must be an Add, to its input 1; ``"Add"`` to input 0."""
    for step in path:
        kind, _, place = step.partition(".")
        if node.get_type_name() != kind:
            raise ValueError(f"{node.get_friendly_name()} is a {node.get_type_name()} where a {kind} should be")
        node = node.input(int(place or 0)).get_source_output().get_node()
    return node
