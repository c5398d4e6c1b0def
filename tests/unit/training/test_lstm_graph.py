import numpy as np
import onnxruntime as ort
import pytest

keras = pytest.importorskip("keras")

from training.graphs.lstm_graph import Bidirectional, build_lstm_graph, read_lstm_graph  # noqa: E402


def test_the_graph_answers_as_keras_does_whatever_the_padding() -> None:
    keras.utils.set_random_seed(7)
    vocabulary, width = 50, 10
    table = np.random.default_rng(7).normal(size=(vocabulary, width)).astype(np.float16)
    model = keras.Sequential(
        [
            keras.layers.Embedding(vocabulary, width, mask_zero=True, weights=[table.astype(np.float32)]),
            keras.layers.Bidirectional(keras.layers.LSTM(12, return_sequences=True)),
            keras.layers.Bidirectional(keras.layers.LSTM(8, return_sequences=True)),
            keras.layers.Bidirectional(keras.layers.LSTM(6)),
            keras.layers.Dense(6),
        ]
    )
    lengths = np.asarray([9, 1, 5, 3], np.int32)
    ids = np.zeros((4, 9), np.int64)
    for row, length in enumerate(lengths):
        ids[row, :length] = np.random.default_rng(row).integers(1, vocabulary, length)
    expected = model(ids).numpy()
    layers = [
        Bidirectional(tuple(layer.forward_layer.get_weights()), tuple(layer.backward_layer.get_weights()))
        for layer in model.layers[1:4]
    ]
    graph = build_lstm_graph(table, layers, *model.layers[4].get_weights())
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    logits = session.run(["logits"], {"token_ids": ids, "lengths": lengths})[0]
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    alone = session.run(["logits"], {"token_ids": ids[2:3, :5], "lengths": lengths[2:3]})[0]
    np.testing.assert_allclose(alone[0], logits[2], atol=1e-6)


def test_weights_read_back_from_a_graph_are_those_written_into_it() -> None:
    random = np.random.default_rng(8)

    def array(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return random.normal(size=shape).astype(np.float32)

    def layer(width: int, units: int) -> Bidirectional:
        forward, backward = ((array(width, 4 * units), array(units, 4 * units), array(4 * units)) for _ in range(2))
        return Bidirectional(forward, backward)

    table, layers = array(9, 5).astype(np.float16), [layer(5, 4), layer(8, 3), layer(6, 2)]
    kernel, bias = array(4, 6), array(6)
    read = read_lstm_graph(build_lstm_graph(table, layers, kernel, bias))
    assert read.units == (4, 3, 2)
    np.testing.assert_array_equal(read.embedding, table)
    np.testing.assert_array_equal(read.dense_kernel, kernel)
    np.testing.assert_array_equal(read.dense_bias, bias)
    for given, wanted in zip(read.layers, layers, strict=True):
        for one, other in zip((*given.forward, *given.backward), (*wanted.forward, *wanted.backward), strict=True):
            np.testing.assert_array_equal(one, other)
