"""Fine-tuning of an encoder: what one step does, and what a checkpoint holds."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from training.balance import balanced, smoothed
from training.course import Ids
from training.encoder import (
    BEST_FILE,
    EncoderClassifier,
    EncoderSettings,
    best_precision,
    bucketed,
    padded,
    predict_logits,
)

Group = Sequence[NDArray[np.intp]]
"""Batches, as indices of rows, whose gradients are accumulated for one step."""


class FineTuning:
    """An encoder that learns (see `training.course.Learner`): AdamW, warm-up, linear decay, clipped gradients.

    Args:
        model: what learns; goes to a GPU if there is one.
        data: token ids, soft targets float32 ``[n, 6]``, row weights float32 ``[n]``.
        held_out: token ids of the validation rows.
        settings: see there.
    """

    checkpoint_file = "resume.pt"
    best_file = BEST_FILE

    def __init__(
        self,
        model: EncoderClassifier,
        data: tuple[Ids, NDArray[np.float32], NDArray[np.float32]],
        held_out: Ids,
        settings: EncoderSettings,
    ) -> None:
        self._ids, targets, weights = data
        self._weights = balanced(targets, weights, settings.class_weights)
        self._targets = smoothed(targets, settings.label_smoothing)
        self._held_out, self._settings = held_out, settings
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.precision = best_precision()
        self._model = model.to(self._device)
        learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._optimizer = torch.optim.AdamW(
            learned, settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        batches = math.ceil(len(self._ids) / settings.batch)
        self._schedule = _warm_up_and_decay(
            self._optimizer, math.ceil(batches / settings.accumulate) * settings.epochs, settings.warmup_share
        )

    def steps(self, epoch: int) -> list[Group]:
        """Groups of ``accumulate`` batches; the last may hold fewer."""
        batches = bucketed(self._ids, self._settings.batch, np.random.default_rng((self._settings.seed, epoch)))
        return [batches[i : i + self._settings.accumulate] for i in range(0, len(batches), self._settings.accumulate)]

    def learn(self, step: Group) -> float:
        """One update from the mean loss over the group."""
        self._model.train()
        self._optimizer.zero_grad()
        rows = sum(map(len, step))
        total = 0.0
        for chunk in step:
            loss = self._loss(chunk) / rows
            loss.backward()
            total += float(loss.item())
        nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimizer.step()
        self._schedule.step()
        return total

    def _loss(self, chunk: NDArray[np.intp]) -> Any:
        tokens, mask = padded([self._ids[i] for i in chunk])
        with torch.autocast(self._device.type, self.precision, enabled=self.precision != torch.float32):
            logits = self._model(tokens.to(self._device), mask.to(self._device)).float()
        wanted, weight = (torch.from_numpy(of[chunk]).to(self._device) for of in (self._targets, self._weights))
        return (-(wanted * torch.log_softmax(logits, dim=1)).sum(1) * weight).sum()

    def answers(self) -> NDArray[np.intp]:
        """Labels of the validation rows."""
        return np.asarray(predict_logits(self._model, self._held_out).argmax(axis=1))

    def save(self, path: Path, progress: str) -> None:
        """The whole state and ``progress``; with the random generators, so that dropout goes on as it would have."""
        state = {
            "model": self._model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "generator": torch.get_rng_state(),
            "gpu_generators": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }
        torch.save({**state, "progress": progress}, path)

    def load(self, path: Path) -> str:
        """Take the state that `save` wrote; returns its ``progress``."""
        saved = torch.load(path, weights_only=True, map_location="cpu")
        self._model.load_state_dict(saved["model"])
        self._optimizer.load_state_dict(saved["optimizer"])
        self._schedule.load_state_dict(saved["schedule"])
        torch.set_rng_state(saved["generator"])
        if torch.cuda.is_available() and saved["gpu_generators"]:
            torch.cuda.set_rng_state_all(saved["gpu_generators"])
        return str(saved["progress"])

    def save_weights(self, path: Path) -> None:
        """The weights alone."""
        torch.save(self._model.state_dict(), path)

    def load_weights(self, path: Path) -> None:
        """Take the weights that `save_weights` wrote."""
        self._model.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))


def _warm_up_and_decay(optimizer: torch.optim.Optimizer, steps: int, share: float) -> torch.optim.lr_scheduler.LambdaLR:
    """A learning rate that grows linearly over ``share`` of the steps, then falls linearly to 0."""
    warmup = max(1, int(steps * share))

    def rate(step: int) -> float:
        return min((step + 1) / warmup, max(0.0, (steps - step) / max(1, steps - warmup)))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
