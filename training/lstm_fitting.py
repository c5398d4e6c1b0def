"""Fitting of the LSTM: what one step does, and what a checkpoint holds."""

import math
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.balance import balanced, smoothed
from training.course import Ids
from training.lstm import BEST_FILE, LstmSettings, pad, predict

_SIGNATURE = (
    tf.TensorSpec((None, None), tf.int32),
    tf.TensorSpec((None, 6), tf.float32),
    tf.TensorSpec((None,), tf.float32),
)


def repeatable(seed: int) -> None:
    """Seed all generators and have TensorFlow sum in one order, so that a run repeated gives the same weights."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


class LstmFitting:
    """An LSTM that learns (see `training.course.Learner`): AdamW, warm-up, cosine decay, clipped gradients.

    Args:
        model: what learns.
        data: token ids, soft targets float32 ``[n, 6]``, row weights float32 ``[n]``.
        held_out: token ids of the validation rows.
        settings: see there.
    """

    checkpoint_file = "resume.npz"
    best_file = BEST_FILE

    def __init__(
        self,
        model: keras.Model,
        data: tuple[Ids, NDArray[np.float32], NDArray[np.float32]],
        held_out: Ids,
        settings: LstmSettings,
    ) -> None:
        self._ids, targets, weights = data
        self._weights = balanced(targets, weights, settings.class_weights)
        self._targets = smoothed(targets, settings.label_smoothing)
        self._model, self._held_out, self._settings = model, held_out, settings
        steps = settings.epochs * math.ceil(len(self._ids) / settings.batch)
        schedule = keras.optimizers.schedules.CosineDecay(
            settings.learning_rate / 10, steps, warmup_target=settings.learning_rate, warmup_steps=max(1, steps // 20)
        )
        self._optimizer = keras.optimizers.AdamW(schedule, weight_decay=1e-4, clipnorm=1.0)
        self._optimizer.build(model.trainable_variables)
        self._loss = keras.losses.CategoricalCrossentropy()
        self._update = tf.function(self._one_update, input_signature=_SIGNATURE, autograph=False)

    def steps(self, epoch: int) -> list[NDArray[np.intp]]:
        """Batches of rows of similar length, slightly mixed, in another order in every epoch."""
        random = np.random.default_rng((self._settings.seed, epoch))
        lengths = np.asarray([len(ids) for ids in self._ids]) + random.uniform(0, 3, len(self._ids))
        order, size = np.argsort(lengths, kind="stable"), self._settings.batch
        starts = random.permutation(math.ceil(len(order) / size)) * size
        return [order[start : start + size] for start in starts]

    def learn(self, step: NDArray[np.intp]) -> float:
        """One update from the mean loss over the batch."""
        ids = pad([self._ids[i] for i in step])
        return float(self._update(ids, self._targets[step], self._weights[step]))

    def _one_update(self, ids: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = self._loss(targets, self._model(ids, training=True), sample_weight=weights)
        gradients = tape.gradient(loss, self._model.trainable_variables)
        self._optimizer.apply(gradients, self._model.trainable_variables)
        return loss

    def answers(self) -> NDArray[np.intp]:
        """Labels of the validation rows."""
        return np.asarray(predict(self._model, self._held_out).argmax(axis=1))

    def save(self, path: Path, progress: str) -> None:
        """The whole state and ``progress``; a model's ``variables`` hold the seeds of its dropout too."""
        arrays = {f"v{i}": variable.numpy() for i, variable in enumerate(self._variables())}
        np.savez(path, progress=np.array(progress), **arrays)

    def load(self, path: Path) -> str:
        """Take the state that `save` wrote; returns its ``progress``."""
        with np.load(path, allow_pickle=False) as saved:
            for i, variable in enumerate(self._variables()):
                variable.assign(saved[f"v{i}"])
            return str(saved["progress"])

    def _variables(self) -> list[keras.Variable]:
        return [*self._model.variables, *self._optimizer.variables]

    def save_weights(self, path: Path) -> None:
        """The weights alone."""
        self._model.save_weights(path)

    def load_weights(self, path: Path) -> None:
        """Take the weights that `save_weights` wrote."""
        self._model.load_weights(path)
