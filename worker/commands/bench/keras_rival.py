"""Keras' ``predict`` on the weights of an LSTM bundle."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import onnx
from numpy.typing import NDArray
from tokenizers import Tokenizer

from training.graphs.lstm_graph import build_lstm_graph, read_lstm_graph
from training.lstm import PRESETS, build_model, layers_of, pad
from training.lstm_start import from_bundle
from training.words import encode
from worker.inference.bundle import GOLDEN_FILE, TOKENIZER_FILE, read_bundle, write_bundle
from worker.inference.cleaning import clean
from worker.inference.engine import softmax
from worker.inference.lstm import GRAPH_FILE

_SIZES = PRESETS["reference"]


class KerasRival:
    """The network of a bundle, built again in Keras.

    Args:
        folder: an LSTM bundle; TensorFlow takes all cores.
    """

    def __init__(self, folder: Path) -> None:
        manifest = read_bundle(folder).manifest
        self._temperature = manifest.temperature
        self._model = from_bundle(folder, _SIZES).model
        self._tokenizer: Tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
        self._tokenizer.enable_truncation(manifest.max_tokens)

    def predict(self, texts: Sequence[str], batch: int) -> NDArray[np.float32]:
        """Raw texts to probabilities, float32 ``[n, 6]``; all padded to the longest, as ``predict`` wants them."""
        ids = pad(encode(self._tokenizer, [clean(text) for text in texts]))
        rows = self._model.predict(ids, batch_size=batch, verbose=0)
        return softmax(np.log(np.maximum(rows, 1e-30)) / self._temperature)


def write_reference(like: Path, folder: Path) -> Path:
    """Write a bundle of the reference project's sizes: random weights, words and vectors of another bundle.

    Returns its folder.
    """
    bundle = read_bundle(like)
    embedding = read_lstm_graph(onnx.load(str(like / GRAPH_FILE))).embedding
    keras.utils.set_random_seed(1)
    model = build_model(embedding, 1, _SIZES)
    graph = build_lstm_graph(
        model.get_layer("words").table(), layers_of(model), *model.get_layer("emotions").get_weights()
    )
    files = {name: (like / name).read_bytes() for name in (TOKENIZER_FILE, GOLDEN_FILE)}
    fields = bundle.manifest.model_dump(exclude={"cleaner_id", "files"}) | {"name": "lstm-reference-random"}
    target = folder / "lstm"
    write_bundle(target, fields, files | {GRAPH_FILE: graph.SerializeToString()})
    return target
