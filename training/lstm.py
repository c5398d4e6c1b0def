"""The LSTM in Keras: frozen GloVe, three bidirectional layers, softmax over six."""

from dataclasses import dataclass
from importlib.metadata import packages_distributions, version
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from training.balance import ClassWeights
from training.graphs.lstm_graph import Bidirectional

BEST_FILE = "best.weights.h5"


@dataclass(frozen=True, slots=True)
class LstmSettings:
    """Size, regularisation and training of the LSTM; a run keeps them as ``sizes``."""

    units: tuple[int, int, int] = (128, 96, 64)
    dropout: float = 0.3
    recurrent_dropout: float = 0.1
    max_tokens: int = 48
    batch: int = 128
    learning_rate: float = 2e-3
    label_smoothing: float = 0.02
    epochs: int = 8
    patience: int = 2
    seed: int = 13
    class_weights: ClassWeights = "none"
    checkpoint_minutes: float = 10


PRESETS = {  # "reference" has the units of the reference project
    "product": LstmSettings(),
    "reference": LstmSettings(units=(256, 128, 128)),
    "tiny": LstmSettings((8, 8, 8), epochs=2),
}


def libraries() -> dict[str, str]:
    """Names and versions of what trains it; the package that holds TensorFlow has several names."""
    names = ("keras", packages_distributions()["tensorflow"][0])
    return {name: version(name) for name in names}


class PartlyFrozenEmbedding(keras.layers.Layer):
    """Frozen rows, plus a learned correction of the first few after padding.

    Args:
        rows: float16 ``[vocabulary, width]``; row 0 is padding.
        trained: how many rows, from index 1 on, are learned.
    """

    def __init__(self, rows: NDArray[np.float16], trained: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self._width = rows.shape[1]
        self._trained = trained
        self.frozen = keras.layers.Embedding(
            rows.shape[0], self._width, weights=[rows.astype(np.float32)], trainable=False, name="frozen"
        )
        self.learned = keras.layers.Embedding(trained + 2, self._width, name="learned")

    def call(self, ids: Any) -> Any:
        """Float32 ``[batch, time, width]``."""
        inside = keras.ops.logical_and(ids > 0, ids <= self._trained)
        chosen = keras.ops.where(inside, ids, 0)
        return self.frozen(ids) + self.learned(chosen) * keras.ops.cast(inside, "float32")[..., None]

    def compute_mask(self, ids: Any, mask: Any = None) -> Any:  # noqa: ARG002 - Keras' protocol
        """Bool ``[batch, time]``, False for padding, which is id 0."""
        return keras.ops.not_equal(ids, 0)

    def table(self) -> NDArray[np.float16]:
        """Float16 ``[vocabulary, width]``: the frozen rows with their corrections."""
        rows = np.array(self.frozen.get_weights()[0])
        rows[1 : self._trained + 1] += self.learned.get_weights()[0][1 : self._trained + 1]
        return rows.astype(np.float16)


def build_model(rows: NDArray[np.float16], trained: int, settings: LstmSettings) -> keras.Model:
    """Token ids int ``[batch, time]`` in, probabilities float32 ``[batch, 6]`` out."""
    ids = keras.Input((None,), dtype="int32")
    states = keras.layers.SpatialDropout1D(settings.dropout / 2)(
        PartlyFrozenEmbedding(rows, trained, name="words")(ids)
    )
    last = len(settings.units) - 1
    for number, units in enumerate(settings.units):
        lstm = keras.layers.LSTM(
            units,
            return_sequences=number != last,
            dropout=settings.dropout,
            recurrent_dropout=settings.recurrent_dropout,
        )
        states = keras.layers.Bidirectional(lstm, name=f"lstm_{number}")(states)
    return keras.Model(ids, keras.layers.Dense(6, activation="softmax", name="emotions")(states))


def pad(ids: list[list[int]]) -> NDArray[np.int32]:
    """Zero-padded int32 ``[batch, time]``; time is a multiple of eight so that few shapes are compiled."""
    time = -(-max(map(len, ids)) // 8) * 8
    out = np.zeros((len(ids), time), np.int32)
    for row, tokens in enumerate(ids):
        out[row, : len(tokens)] = tokens
    return out


def predict(model: keras.Model, ids: list[list[int]]) -> NDArray[np.float32]:
    """Probabilities float32 ``[n, 6]`` in the order of ``ids``."""
    order = np.argsort([len(tokens) for tokens in ids], kind="stable")
    out = np.empty((len(ids), 6), np.float32)
    for start in range(0, len(order), 512):
        rows = order[start : start + 512]
        out[rows] = model.predict_on_batch(pad([ids[i] for i in rows]))
    return out


def layers_of(model: keras.Model) -> list[Bidirectional]:
    """The weights of the bidirectional layers, first to last."""
    found = [layer for layer in model.layers if isinstance(layer, keras.layers.Bidirectional)]
    return [
        Bidirectional(tuple(layer.forward_layer.get_weights()), tuple(layer.backward_layer.get_weights()))
        for layer in found
    ]
