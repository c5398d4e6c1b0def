"""An ONNX graph with fused LSTM operators from the weights of stacked bidirectional Keras layers.

Keras exports `Loop` nodes, which are several times slower; so the graph is written node by node.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_OPSET = 17
_IR_VERSION = 9
_KERAS_TO_ONNX_GATES = (0, 3, 1, 2)
"""Keras stores i, f, c, o (keras LSTMCell); ONNX wants i, o, f, c (ONNX operator LSTM)."""
_ONNX_TO_KERAS_GATES = (0, 2, 3, 1)

Weights = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
"""Keras' kernel ``[input, 4 * units]``, recurrent kernel ``[units, 4 * units]``, bias ``[4 * units]``."""


@dataclass(frozen=True, slots=True)
class Bidirectional:
    """Weights of one bidirectional layer, forward and backward."""

    forward: Weights
    backward: Weights


@dataclass(frozen=True, slots=True)
class LstmWeights:
    """All weights of a graph that `build_lstm_graph` wrote.

    Attributes:
        embedding: float16 ``[vocabulary, width]``.
        layers: from the first to the last.
        dense_kernel: float32 ``[2 * units, 6]``.
        dense_bias: float32 ``[6]``.
    """

    embedding: NDArray[np.float16]
    layers: tuple[Bidirectional, ...]
    dense_kernel: NDArray[np.float32]
    dense_bias: NDArray[np.float32]

    @property
    def units(self) -> tuple[int, ...]:
        """Units of one direction of each layer."""
        return tuple(layer.forward[1].shape[0] for layer in self.layers)


def read_lstm_graph(model: onnx.ModelProto) -> LstmWeights:
    """The weights back from a graph of `build_lstm_graph`, bit for bit.

    Raises:
        ValueError: the graph has other initialisers.
    """
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    depth = sum(name.startswith("r_") for name in arrays)
    wanted = {"embedding", "dense_kernel", "dense_bias", *(f"{kind}_{i}" for kind in "wrb" for i in range(depth))}
    if not depth or set(arrays) != wanted:
        raise ValueError(f"initialisers {sorted(arrays)} are not those of a bidirectional LSTM of this project")
    layers = [_read_layer(*(arrays[f"{kind}_{number}"] for kind in "wrb")) for number in range(depth)]
    return LstmWeights(arrays["embedding"], tuple(layers), arrays["dense_kernel"], arrays["dense_bias"])


def _read_layer(
    kernels: NDArray[np.float32], recurrent: NDArray[np.float32], biases: NDArray[np.float32]
) -> Bidirectional:
    def direction(index: int) -> Weights:
        bias = biases[index, : biases.shape[1] // 2]
        return _reordered(kernels[index].T), _reordered(recurrent[index].T), _reordered(bias)

    return Bidirectional(direction(0), direction(1))


def _reordered(array: NDArray[np.float32]) -> NDArray[np.float32]:
    return _gates(array, _ONNX_TO_KERAS_GATES)


def build_lstm_graph(
    embedding: NDArray[np.float16],
    layers: Sequence[Bidirectional],
    dense_kernel: NDArray[np.float32],
    dense_bias: NDArray[np.float32],
) -> onnx.ModelProto:
    """A graph from ``token_ids`` int64 ``[batch, time]`` and ``lengths`` int32 ``[batch]`` to float32 ``logits``.

    Args:
        embedding: float16 ``[vocabulary, width]``; kept in half precision in the file, cast after the look-up.
        layers: from the first to the last; all but the last return sequences, the last the final states.
        dense_kernel: float32 ``[2 * units, 6]``.
        dense_bias: float32 ``[6]``.
    """
    nodes = [
        helper.make_node("Gather", ["embedding", "token_ids"], ["looked_up"]),
        helper.make_node("Cast", ["looked_up"], ["embedded"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["embedded"], ["steps_0"], perm=[1, 0, 2]),
    ]
    weights = {"embedding": embedding.astype(np.float16), "dense_kernel": dense_kernel, "dense_bias": dense_bias}
    for number, layer in enumerate(layers):
        nodes += _layer_nodes(number, layer, is_last=number == len(layers) - 1)
        weights |= _layer_weights(number, layer)
    nodes.append(helper.make_node("Gemm", ["states", "dense_kernel", "dense_bias"], ["logits"]))
    graph = helper.make_graph(
        nodes,
        "bidirectional-lstm",
        [
            helper.make_tensor_value_info("token_ids", TensorProto.INT64, ["batch", "time"]),
            helper.make_tensor_value_info("lengths", TensorProto.INT32, ["batch"]),
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", int(dense_bias.shape[0])])],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
    onnx.checker.check_model(model)
    return model


def _layer_nodes(number: int, layer: Bidirectional, *, is_last: bool) -> list[onnx.NodeProto]:
    units = layer.forward[1].shape[0]
    inputs = [f"steps_{number}", f"w_{number}", f"r_{number}", f"b_{number}", "lengths"]
    outputs = [f"y_{number}", f"last_{number}"]
    lstm = helper.make_node("LSTM", inputs, outputs, direction="bidirectional", hidden_size=units)
    if is_last:  # [2, batch, units] -> [batch, 2 * units]
        source, shape, result = f"last_{number}", [0, -1], "states"
        perm = [1, 0, 2]
    else:  # [time, 2, batch, units] -> [time, batch, 2 * units]
        source, shape, result = f"y_{number}", [0, 0, -1], f"steps_{number + 1}"
        perm = [0, 2, 1, 3]
    return [
        lstm,
        helper.make_node("Transpose", [source], [f"swapped_{number}"], perm=perm),
        helper.make_node("Constant", [], [f"shape_{number}"], value_ints=shape),
        helper.make_node("Reshape", [f"swapped_{number}", f"shape_{number}"], [result]),
    ]


def _layer_weights(number: int, layer: Bidirectional) -> dict[str, NDArray[np.float32]]:
    directions = (layer.forward, layer.backward)
    return {
        f"w_{number}": np.stack([_gates(kernel).T for kernel, _, _ in directions]),
        f"r_{number}": np.stack([_gates(recurrent).T for _, recurrent, _ in directions]),
        f"b_{number}": np.stack([np.concatenate([_gates(bias), np.zeros_like(bias)]) for _, _, bias in directions]),
    }


def _gates(array: NDArray[np.float32], order: tuple[int, ...] = _KERAS_TO_ONNX_GATES) -> NDArray[np.float32]:
    """Reorder the four gates along the last axis."""
    blocks = np.split(np.asarray(array, np.float32), 4, axis=-1)
    return np.concatenate([blocks[i] for i in order], axis=-1)
