import numpy as np
import onnxruntime as ort
import pytest

keras = pytest.importorskip("keras")

from training.graphs.lstm_graph import Bidirectional, build_lstm_graph  # noqa: E402


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
