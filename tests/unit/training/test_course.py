"""An interrupted course ends with the weights of an uninterrupted one: of a fake, of an encoder, of the LSTM."""

import errno
import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.encoders import build_bert
from training.course import Course, Plan, begin
from training.errors import DataUnreadable, DiskFull, FolderTaken, Interrupted, SettingUnfit

SCORES = {0: 1, 1: 3, 2: 2}
"""How many of the four validation rows are right after each epoch."""
LABELS = np.arange(4)


class Killed(BaseException):
    """As kill -9 comes: nothing catches it."""


class Adding:
    """A learner whose weight depends on the order of its steps."""

    checkpoint_file, best_file = "all.json", "best.json"

    def __init__(self) -> None:
        self.weight, self.epochs_seen, self.learned = 1.0, 0, 0
        self.stop_before: int | None = None
        self.is_full = False

    def steps(self, epoch: int) -> list[int]:
        self.epochs_seen = epoch
        return [int(n) for n in np.random.default_rng(epoch).permutation(5)]

    def learn(self, step: int) -> float:
        if self.learned == self.stop_before:
            raise Killed
        self.learned += 1
        self.weight = self.weight * 1.5 + step
        return self.weight

    def answers(self) -> NDArray[np.intp]:
        right = SCORES[self.epochs_seen]
        return np.where(np.arange(4) < right, LABELS, 4)

    def save(self, path: Path, progress: str) -> None:
        path.write_text(json.dumps([self.weight, progress])[: 9 if self.is_full else None])
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")

    def load(self, path: Path) -> str:
        self.weight, progress = json.loads(path.read_text())
        return str(progress)

    def save_weights(self, path: Path) -> None:
        path.write_text(json.dumps(self.weight))

    def load_weights(self, path: Path) -> None:
        self.weight = json.loads(path.read_text())


def take(learner: Any, folder: Path, plan: Plan, labels: NDArray[np.intp] = LABELS) -> list[dict[str, float]]:
    return Course(learner, plan, np.eye(6, dtype=bool)[labels]).take(folder)


@pytest.mark.parametrize("minutes", [0, 60])
@pytest.mark.parametrize("stop_before", range(15))
def test_wherever_it_is_interrupted_it_ends_alike(tmp_path: Path, stop_before: int, minutes: float) -> None:
    whole, plan = Adding(), Plan(epochs=3, checkpoint_minutes=minutes)
    history = take(whole, tmp_path / "whole", plan)
    first, second = Adding(), Adding()
    first.stop_before = stop_before
    with pytest.raises(Killed):
        take(first, tmp_path / "run", plan)
    assert take(second, tmp_path / "run", plan) == history
    assert second.weight == whole.weight
    assert second.learned == 15 - (stop_before if minutes == 0 else stop_before // 5 * 5)


def test_the_best_epoch_stays_and_patience_ends_the_course(tmp_path: Path) -> None:
    patient, hasty = Adding(), Adding()
    history = take(patient, tmp_path / "a", Plan(epochs=3))
    assert [grades["val_accuracy"] for grades in history] == [0.25, 0.75, 0.5]
    assert patient.weight == json.loads((tmp_path / "a" / "best.json").read_text())
    stopped = take(hasty, tmp_path / "b", Plan(epochs=9, patience=1))
    assert stopped == history
    assert hasty.weight == patient.weight


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    first, second, plan = Adding(), Adding(), Plan(epochs=3, checkpoint_minutes=0)
    first.stop_before = 7
    with pytest.raises(Killed):
        take(first, tmp_path, plan)
    before = (tmp_path / "all.json").read_bytes()
    second.is_full = True
    with pytest.raises(DiskFull, match=r"no room to write .*all\.json; free some disk space"):
        take(second, tmp_path, plan)
    assert (tmp_path / "all.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.json", "best.json"]


@pytest.fixture
def _ctrl_c_interrupts() -> Iterator[None]:
    """Also where the tests run in the background of a shell, which lets its children ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c_interrupts")
def test_ctrl_c_tells_how_to_go_on_and_a_damaged_checkpoint_what_to_remove(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    learner, plan = Adding(), Plan(epochs=3)
    monkeypatch.setattr(learner, "learn", lambda _: signal.raise_signal(signal.SIGINT))
    with pytest.raises(Interrupted, match="the same command goes on"):
        take(learner, tmp_path, plan)
    (tmp_path / "all.json").write_text("[1.0, ")
    with pytest.raises(DataUnreadable, match=r"all\.json is damaged; remove it"):
        take(Adding(), tmp_path, plan)


def test_a_loss_that_is_no_number_ends_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    learner = Adding()
    monkeypatch.setattr(learner, "learn", lambda _: float("nan"))
    with pytest.raises(SettingUnfit, match=r"loss became nan in epoch 1; .* lower --learning-rate"):
        take(learner, tmp_path, Plan(epochs=3, checkpoint_minutes=0))
    assert not any(tmp_path.iterdir())


def test_a_run_folder_with_other_settings_or_rows_is_refused(tmp_path: Path) -> None:
    ids, targets = [[1, 2], [3]], np.eye(2, dtype=np.float32)
    begin(tmp_path, {"epochs": 2, "units": (8, 8)}, ids, targets)
    begin(tmp_path, {"epochs": 2, "units": (8, 8)}, ids, targets)
    with pytest.raises(
        FolderTaken, match=r"begun with epochs 2 instead of 3; repeat that .* another folder with --out"
    ):
        begin(tmp_path, {"epochs": 3, "units": (8, 8)}, ids, targets)
    with pytest.raises(FolderTaken, match="begun with other rows"):
        begin(tmp_path, {"epochs": 2, "units": (8, 8)}, [[1, 2], [4]], targets)


def test_a_folder_where_another_process_trains_is_left_alone_until_that_is_killed(tmp_path: Path) -> None:
    trains = (
        "import sys; from pathlib import Path; from training.files import claimed\n"
        "with claimed(Path(sys.argv[1])): print(); input()"
    )
    with Popen([sys.executable, "-uc", trains, tmp_path], stdin=PIPE, stdout=PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"\n"
        with pytest.raises(FolderTaken, match=f"another process is at work in {tmp_path}"):
            take(Adding(), tmp_path, Plan(epochs=1))
        other.kill()
    assert len(take(Adding(), tmp_path, Plan(epochs=1))) == 1


def lesson(rows: int = 12) -> tuple[list[list[int]], NDArray[np.float32], NDArray[np.float32]]:
    random = np.random.default_rng(8)
    ids = [[int(n) for n in random.integers(4, 20, random.integers(3, 9))] for _ in range(rows)]
    return ids, np.eye(6, dtype=np.float32)[np.arange(rows) % 6], np.ones(rows, np.float32)


def an_encoder(folder: Path) -> Callable[[], Any]:
    import torch  # noqa: PLC0415 - loaded only by this test

    from training.encoder import EncoderSettings, freeze, load_encoder  # noqa: PLC0415 - torch
    from training.fine_tuning import FineTuning  # noqa: PLC0415 - torch

    build_bert(folder)
    settings = EncoderSettings(batch=2, accumulate=2, epochs=1, class_weights="balanced", label_smoothing=0.1)

    def make() -> FineTuning:
        torch.manual_seed(settings.seed)
        model = load_encoder(str(folder))[1]
        freeze(model.encoder, 1)
        return FineTuning(model, lesson(), lesson()[0], settings)

    return make


def an_lstm(_: Path) -> Callable[[], Any]:
    import tensorflow as tf  # noqa: PLC0415 - loaded only by this test

    from training.lstm import LstmSettings, build_model  # noqa: PLC0415 - TensorFlow
    from training.lstm_fitting import LstmFitting, repeatable  # noqa: PLC0415 - TensorFlow

    tf.config.run_functions_eagerly(True)  # to compile three models takes far longer than to run them
    settings = LstmSettings((4, 4, 4), batch=4, epochs=1, class_weights="effective")

    def make() -> LstmFitting:
        repeatable(settings.seed)
        model = build_model(np.random.default_rng(2).normal(size=(20, 100)).astype(np.float16), 2, settings)
        return LstmFitting(model, lesson(), lesson()[0], settings)

    return make


def stopping_before(learner: Any, step: int) -> Any:
    learn, done = learner.learn, list[Any]()

    def until(one: Any) -> float:
        if len(done) == step:
            raise Killed
        done.append(one)
        return float(learn(one))

    learner.learn = until
    return learner


@pytest.fixture
def compiled_again() -> Iterator[None]:
    yield
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].config.run_functions_eagerly(False)


@pytest.mark.usefixtures("compiled_again")
@pytest.mark.parametrize("kind", [an_encoder, an_lstm])
def test_a_model_interrupted_in_the_middle_of_an_epoch_ends_with_the_same_weights(
    tmp_path: Path, kind: Callable[[Path], Callable[[], Any]]
) -> None:
    make, plan, labels = kind(tmp_path / "base"), Plan(epochs=1, checkpoint_minutes=0), np.arange(12) % 6
    whole = make()
    history = take(whole, tmp_path / "whole", plan, labels)
    with pytest.raises(Killed):
        take(stopping_before(make(), 2), tmp_path / "run", plan, labels)
    resumed = make()
    assert take(resumed, tmp_path / "run", plan, labels) == history
    for name, learner in (("whole", whole), ("run", resumed)):
        learner.load(tmp_path / name / learner.checkpoint_file)
    expected, found = (state(learner, tmp_path / "state.npz") for learner in (whole, resumed))
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(values, found[name], err_msg=name)


def state(learner: Any, path: Path) -> dict[str, NDArray[Any]]:
    learner.save(path, "")
    if learner.checkpoint_file.endswith(".npz"):
        with np.load(path) as saved:
            return {name: saved[name] for name in saved if name != "progress"}
    import torch  # noqa: PLC0415 - loaded only by this test

    saved = torch.load(path, weights_only=True)
    moments = {f"{n}.{key}": v for n, one in saved["optimizer"]["state"].items() for key, v in one.items()}
    return {name: v.numpy() for name, v in (saved["model"] | moments).items()}
