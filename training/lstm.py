"""The LSTM in Keras: frozen GloVe, three bidirectional layers, softmax over six."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from training.graphs.lstm_graph import Bidirectional

BEST_FILE = "best.weights.h5"


@dataclass(frozen=True, slots=True)
class LstmSizes:
    """Sizes and regularisation; ``reference`` has the sizes of the reference project."""

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


PRESETS = {
    "product": LstmSizes(),
    "reference": LstmSizes(units=(256, 128, 128)),
    "tiny": LstmSizes((8, 8, 8), epochs=2),
}


@keras.saving.register_keras_serializable("training")
class PartlyFrozenEmbedding(keras.layers.Layer):
    """Frozen rows plus a trained correction for the few first rows after padding.

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
        """Padding is id 0."""
        return keras.ops.not_equal(ids, 0)

    def table(self) -> NDArray[np.float16]:
        """Frozen and learned rows as one float16 table."""
        rows = np.array(self.frozen.get_weights()[0])
        rows[1 : self._trained + 1] += self.learned.get_weights()[0][1 : self._trained + 1]
        return rows.astype(np.float16)


def build_model(rows: NDArray[np.float16], trained: int, sizes: LstmSizes) -> keras.Model:
    """Token ids int ``[batch, time]`` in, probabilities float32 ``[batch, 6]`` out."""
    ids = keras.Input((None,), dtype="int32")
    states = keras.layers.SpatialDropout1D(sizes.dropout / 2)(PartlyFrozenEmbedding(rows, trained, name="words")(ids))
    last = len(sizes.units) - 1
    for number, units in enumerate(sizes.units):
        lstm = keras.layers.LSTM(
            units,
            return_sequences=number != last,
            dropout=sizes.dropout,
            recurrent_dropout=sizes.recurrent_dropout,
        )
        states = keras.layers.Bidirectional(lstm, name=f"lstm_{number}")(states)
    return keras.Model(ids, keras.layers.Dense(6, activation="softmax", name="emotions")(states))


class Batches:
    """Length-bucketed batches, shuffled anew in every epoch with a fixed seed.

    Args:
        ids: token ids of each text.
        targets: float32 ``[n, 6]``, rows sum to 1.
        weights: float32 ``[n]``.
    """

    def __init__(
        self, ids: list[list[int]], targets: NDArray[np.float32], weights: NDArray[np.float32], sizes: LstmSizes
    ) -> None:
        self._ids, self._targets, self._weights, self._size = ids, targets, weights, sizes.batch
        self._random = np.random.default_rng(sizes.seed)

    def __len__(self) -> int:
        return math.ceil(len(self._ids) / self._size)

    def __iter__(self) -> Iterator[tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]]:
        lengths = np.asarray([len(ids) for ids in self._ids]) + self._random.uniform(0, 3, len(self._ids))
        order = np.argsort(lengths, kind="stable")
        for start in self._random.permutation(len(self)) * self._size:
            rows = order[start : start + self._size]
            yield pad([self._ids[i] for i in rows]), self._targets[rows], self._weights[rows]

    def dataset(self) -> tf.data.Dataset:
        """The same as a TensorFlow data set of one epoch; each batch has its own length."""
        signature = (
            tf.TensorSpec((None, None), tf.int32),
            tf.TensorSpec((None, 6), tf.float32),
            tf.TensorSpec((None,), tf.float32),
        )
        return tf.data.Dataset.from_generator(lambda: iter(self), output_signature=signature).prefetch(2)


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


class _MacroF1(keras.callbacks.Callback):
    """Adds ``val_macro_f1`` over the rows that carry an emotion to the logs."""

    def __init__(self, ids: list[list[int]], labels: NDArray[np.intp]) -> None:
        super().__init__()
        self._ids, self._labels = ids, labels

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 - Keras' protocol
        """Score the validation rows."""
        given = predict(self.model, self._ids).argmax(axis=1)
        score = float(f1_score(self._labels, given, average="macro"))
        (logs if logs is not None else {})["val_macro_f1"] = score


def train(
    model: keras.Model,
    batches: Batches,
    validation: tuple[list[list[int]], NDArray[np.intp]],
    sizes: LstmSizes,
    folder: Path,
) -> dict[str, Any]:
    """Fit with early stopping on validation macro-F1; the best weights stay in ``model`` and in ``folder``.

    Interrupted training continues at the epoch that was running (``BackupAndRestore``).
    """
    folder.mkdir(parents=True, exist_ok=True)
    steps = sizes.epochs * len(batches)
    schedule = keras.optimizers.schedules.CosineDecay(
        sizes.learning_rate / 10, steps, warmup_target=sizes.learning_rate, warmup_steps=max(1, steps // 20)
    )
    model.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=1e-4, clipnorm=1.0),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=sizes.label_smoothing),
        weighted_metrics=[],
    )
    best = folder / BEST_FILE
    history = model.fit(
        batches.dataset(),
        epochs=sizes.epochs,
        verbose=2,
        callbacks=[
            _MacroF1(*validation),
            keras.callbacks.ModelCheckpoint(
                best, monitor="val_macro_f1", mode="max", save_best_only=True, save_weights_only=True
            ),
            keras.callbacks.EarlyStopping("val_macro_f1", mode="max", patience=sizes.patience),
            keras.callbacks.BackupAndRestore(folder / "resume"),
        ],
    )
    model.load_weights(best)
    return {"sizes": asdict(sizes), "history": {k: [float(x) for x in v] for k, v in history.history.items()}}


def layers_of(model: keras.Model) -> list[Bidirectional]:
    """The weights of the bidirectional layers, first to last."""
    found = [layer for layer in model.layers if isinstance(layer, keras.layers.Bidirectional)]
    return [
        Bidirectional(tuple(layer.forward_layer.get_weights()), tuple(layer.backward_layer.get_weights()))
        for layer in found
    ]
