"""A course of training that may be interrupted anywhere: the same weights come out as without the interruption."""

import hashlib
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Generic, Protocol, TypeVar
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from training.errors import DataUnreadable, FolderTaken, Interrupted, SettingUnfit
from training.files import claimed, refuse_bundle, replaced
from training.metrics import judged, macro_f1
from training.progress import watched

BEGUN_FILE, RUN_FILE = "begun.json", "run.json"
"""What a run was begun with, and what it says of itself once it is finished."""
VOCABULARY_FILE = "vocabulary.json"
"""Of a run of an LSTM."""
DAMAGE = (OSError, ValueError, KeyError, RuntimeError, EOFError, UnpicklingError, BadZipFile)
"""What NumPy and torch raise on a file that is not whole."""
Ids = list[list[int]]
Grades = dict[str, float]
Step_contra = TypeVar("Step_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a course is.

    Attributes:
        patience: epochs without a better validation macro-F1 after which it ends early; None: never.
        checkpoint_minutes: how much work an interruption may cost at most; 0 keeps every step.
    """

    epochs: int
    patience: int | None = None
    checkpoint_minutes: float = 10


def read_run(run: Path) -> dict[str, Any]:
    """What a finished run says of itself.

    Raises:
        DataUnreadable: it is not finished, or what it says is damaged.
    """
    path = run / RUN_FILE
    if not path.exists():
        raise DataUnreadable(
            f"{path} is missing; make it with `python -m training train` (an interrupted run goes on with its command)"
        )
    made = read_object(path)
    if not isinstance(made.get("sizes"), dict) or not {"kind", "base"} <= made.keys():
        raise DataUnreadable(f"{path} names no kind, base and sizes of a model; remove this run and train it anew")
    return made


def read_object(path: Path) -> dict[str, Any]:
    """One of the JSON files of a run.

    Raises:
        DataUnreadable: it is damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataUnreadable(f"{path} cannot be read ({error}); remove this run and train it anew") from error
    if not isinstance(found, dict):
        raise DataUnreadable(f"{path} holds no JSON object; remove this run and train it anew")
    return found


class Learner(Protocol[Step_contra]):
    """A model that learns step by step, whose whole state goes into one file."""

    checkpoint_file: str
    best_file: str

    def steps(self, epoch: int) -> Sequence[Any]:
        """What to learn in this epoch, in order; the same for the same epoch in every run."""

    def learn(self, step: Step_contra) -> float:
        """One update of the weights; returns the loss."""

    def answers(self) -> NDArray[np.intp]:
        """Labels given to the validation rows; must not change the state."""

    def save(self, path: Path, progress: str) -> None:
        """Weights, optimizer, schedule and generators, and ``progress``."""

    def load(self, path: Path) -> str:
        """Take the state that `save` wrote; returns its ``progress``."""

    def save_weights(self, path: Path) -> None:
        """The weights alone."""

    def load_weights(self, path: Path) -> None:
        """Take the weights that `save_weights` wrote."""


@dataclass(slots=True)
class _Progress:
    epoch: int
    steps: int
    loss: float
    history: list[Grades]

    def stalled(self, patience: int | None) -> bool:
        scores = [grades["val_macro_f1"] for grades in self.history]
        return patience is not None and bool(scores) and len(scores) - 1 - int(np.argmax(scores)) >= patience


@dataclass(frozen=True, slots=True)
class Course(Generic[Step_contra]):
    """A learner, its plan, and the labels that are accepted for its validation rows, bool ``[n, 6]``."""

    learner: Learner[Step_contra]
    plan: Plan
    accepted: NDArray[np.bool_]

    def take(self, folder: Path) -> list[Grades]:
        """Train; the epoch with the best validation macro-F1 stays in the learner and in ``folder``.

        A checkpoint holds the whole state, so an interrupted course goes on at its last one and does there what it
        would have done. Returns loss, ``val_macro_f1`` and ``val_accuracy`` of each epoch.

        Raises:
            FolderTaken: another process is taking it.
            Interrupted: somebody pressed Ctrl-C.
            DiskFull: no room for a checkpoint; the one before is whole.
            DataUnreadable: the checkpoint is damaged.
            SettingUnfit: the loss is no number any more.
        """
        with claimed(folder):
            progress = self._resumed(folder)
            try:
                while progress.epoch < self.plan.epochs and not progress.stalled(self.plan.patience):
                    self._epoch(progress, folder)
                    self._grade(progress, folder)
            except KeyboardInterrupt:
                raise Interrupted("interrupted; the same command goes on at the last checkpoint") from None
            self.learner.load_weights(folder / self.learner.best_file)
        return progress.history

    def _epoch(self, progress: _Progress, folder: Path) -> None:
        steps = self.learner.steps(progress.epoch)
        saved_at_s = time.monotonic()
        title = f"epoch {progress.epoch + 1}/{self.plan.epochs}"
        with watched(title, of=len(steps), done=progress.steps) as advance:
            for step in steps[progress.steps :]:
                progress.loss += self.learner.learn(step)
                if not math.isfinite(progress.loss):
                    raise SettingUnfit(
                        f"the loss became {progress.loss} in epoch {progress.epoch + 1}; train in another folder with "
                        "a lower --learning-rate"
                    )
                progress.steps += 1
                advance(f"loss {progress.loss / progress.steps:.4f}")
                if time.monotonic() - saved_at_s >= 60 * self.plan.checkpoint_minutes:
                    self._save(progress, folder)
                    saved_at_s = time.monotonic()

    def _grade(self, progress: _Progress, folder: Path) -> None:
        given = self.learner.answers()
        truth, right = judged(given, self.accepted)
        grades = {
            "epoch": progress.epoch + 1,
            "loss": progress.loss / max(1, progress.steps),
            "val_macro_f1": macro_f1(confusion_matrix(truth, given, labels=range(self.accepted.shape[1]))),
            "val_accuracy": float(right.mean()),
        }
        best = max((before["val_macro_f1"] for before in progress.history), default=-1.0)
        if grades["val_macro_f1"] > best:
            with replaced(folder / self.learner.best_file) as path:
                self.learner.save_weights(path)
        progress.history.append(grades)
        progress.epoch, progress.steps, progress.loss = progress.epoch + 1, 0, 0.0
        self._save(progress, folder)
        print(json.dumps(grades), flush=True)  # noqa: T201 - what a person waits for

    def _save(self, progress: _Progress, folder: Path) -> None:
        state = {name: getattr(progress, name) for name in _Progress.__slots__}
        with replaced(folder / self.learner.checkpoint_file) as path:
            self.learner.save(path, json.dumps(state))

    def _resumed(self, folder: Path) -> _Progress:
        path = folder / self.learner.checkpoint_file
        if not path.exists():
            return _Progress(0, 0, 0.0, [])
        try:
            return _Progress(**json.loads(self.learner.load(path)))
        except DAMAGE as error:
            raise DataUnreadable(f"{path} is damaged; remove it to begin this run anew") from error

    def finish(self, folder: Path) -> None:
        """Remove the checkpoint, which is larger than the model, once all that a run leaves is written."""
        (folder / self.learner.checkpoint_file).unlink(missing_ok=True)


def begin(folder: Path, settings: dict[str, Any], *contents: NDArray[Any] | Ids) -> None:
    """Mark a run folder with its settings and the sha256 of what it learns from and is graded on.

    If it was marked before, check that they are the same.

    Raises:
        FolderTaken: it was begun with others, which the message names, or holds a bundle.
    """
    refuse_bundle(folder)
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content.tobytes() if isinstance(content, np.ndarray) else json.dumps(content).encode())
    asked = json.loads(json.dumps({**settings, "lesson": digest.hexdigest()}))
    path = folder / BEGUN_FILE
    if not path.exists():
        with replaced(path) as new:
            new.write_text(json.dumps(asked, indent=2) + "\n", encoding="utf-8")
        return
    if changed := list(_changed(read_object(path), asked)):
        raise FolderTaken(
            f"{folder} was begun with {', '.join(changed)}; repeat that to go on, name another folder with "
            "--out, or remove this one"
        )


def _changed(begun: dict[str, Any], asked: dict[str, Any]) -> Iterator[str]:
    for name in sorted(begun.keys() | asked.keys()):
        if begun.get(name) != asked.get(name):
            yield "other rows" if name == "lesson" else f"{name} {begun.get(name)} instead of {asked.get(name)}"
