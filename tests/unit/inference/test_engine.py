import json
import random
from pathlib import Path

import numpy as np
import pytest

from tests.bundles import build_tiny_bundle
from worker.inference.bundle import read_bundle, sha256_of
from worker.inference.engine import Engine, load_engine
from worker.inference.errors import BundleMissing, BundleTampered, BundleUnfit, GoldenMismatch, InferenceError

TEXTS = [
    "so happy",
    "",
    "sad " * 40,
    "I am angry!!",
    "love this day",
    "https://example.org",
    "not afraid \U0001f602",
    "what",
]


@pytest.fixture(scope="module")
def engine(tiny_bundle: Path) -> Engine:
    return load_engine(tiny_bundle, threads=1)


def test_n_texts_give_n_rows_that_sum_to_one(engine: Engine) -> None:
    for n in (0, 1, 7, 500):
        rows = engine.predict([TEXTS[i % len(TEXTS)] for i in range(n)])
        assert rows.shape == (n, 6)
        assert rows.dtype == np.float32
        np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-5)


def test_an_answer_does_not_depend_on_its_neighbours(engine: Engine) -> None:
    alone = {text: engine.predict([text])[0] for text in TEXTS}
    shuffler = random.Random(3)
    for _ in range(20):
        batch = shuffler.choices(TEXTS, k=shuffler.randint(1, 200))
        np.testing.assert_allclose(engine.predict(batch), [alone[text] for text in batch], atol=1e-4)


def test_threads_change_no_bit_of_an_answer(engine: Engine, tiny_bundle: Path) -> None:
    batch = [TEXTS[i % len(TEXTS)] for i in range(200)]
    np.testing.assert_array_equal(load_engine(tiny_bundle, threads=3).predict(batch), engine.predict(batch))


def test_cleaning_happens_inside(engine: Engine) -> None:
    np.testing.assert_array_equal(engine.predict(["SOOOO  happy"]), engine.predict_cleaned(["soo happy"]))


def spoil(folder: Path, **changes: object) -> Path:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"format_version": 99}, BundleUnfit, "format_version 99"),
        ({"labels": ["joy", "sadness", "love", "anger", "fear", "surprise"]}, BundleUnfit, "labels"),
        ({"cleaner_id": "0" * 16}, BundleUnfit, "cleaner"),
        ({"temperature": -1}, BundleUnfit, "temperature"),
        ({"files": {}}, BundleTampered, "tokenizer.json"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    tmp_path: Path, changes: dict[str, object], error: type[InferenceError], said: str
) -> None:
    with pytest.raises(error, match=said):
        read_bundle(spoil(build_tiny_bundle(tmp_path / "b"), **changes))


def test_a_path_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = build_tiny_bundle(tmp_path / "b")
    files = json.loads((folder / "manifest.json").read_text())["files"]
    with pytest.raises(BundleTampered, match="outside"):
        read_bundle(spoil(folder, files=files | {"../other": "0" * 64}))


def test_missing_changed_and_extra_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(BundleMissing, match="nowhere"):
        read_bundle(tmp_path / "nowhere")
    folder = build_tiny_bundle(tmp_path / "b")
    (folder / "extra.bin").write_bytes(b"x")
    with pytest.raises(BundleTampered, match=r"extra\.bin"):
        read_bundle(folder)
    (folder / "extra.bin").unlink()
    (folder / "golden.json").write_bytes(b"[]")
    with pytest.raises(BundleTampered, match=r"golden\.json"):
        read_bundle(folder)
    (folder / "model.onnx").unlink()
    with pytest.raises(BundleMissing, match=r"model\.onnx"):
        read_bundle(folder)


def test_other_weights_under_the_same_golden_cases_are_recognised(tmp_path: Path) -> None:
    one, other = build_tiny_bundle(tmp_path / "one"), build_tiny_bundle(tmp_path / "other", seed=9)
    manifest = json.loads((one / "manifest.json").read_text())
    (one / "model.onnx").write_bytes((other / "model.onnx").read_bytes())
    manifest["files"]["model.onnx"] = json.loads((other / "manifest.json").read_text())["files"]["model.onnx"]
    with pytest.raises(GoldenMismatch, match="golden case"):
        load_engine(spoil(one, **manifest))


@pytest.mark.parametrize(
    ("name", "content"), [("model.onnx", b"no graph"), ("tokenizer.json", b"{}"), ("tokenizer.json", b"\xff")]
)
def test_a_file_that_the_libraries_do_not_know_is_told_with_those_that_made_it(
    name: str, content: bytes, tmp_path: Path
) -> None:
    folder = build_tiny_bundle(tmp_path / "b")
    (folder / name).write_bytes(content)
    files = json.loads((folder / "manifest.json").read_text())["files"] | {name: sha256_of(folder / name)}
    with pytest.raises(BundleUnfit, match=r"cannot be loaded .* made with onnxruntime 9: install those, or export"):
        load_engine(spoil(folder, files=files, libraries={"onnxruntime": "9"}), threads=1)


def test_the_shipped_bundle_loads_and_labels() -> None:
    rows = load_engine(Path("bundles/lstm")).predict(["I'm so happy, best day ever!", "how dare you, I'm furious"])
    assert rows.argmax(axis=1).tolist() == [1, 3]


def test_an_engine_that_answers_with_no_numbers_is_refused(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = "worker.inference.lstm.LstmRuntime.logits"
    monkeypatch.setattr(broken, lambda _, ids: np.full((len(ids), 6), np.nan, np.float32))
    with pytest.raises(GoldenMismatch, match="golden case"):
        load_engine(tiny_bundle, threads=1)
    monkeypatch.setattr(broken, lambda _, ids: np.zeros((len(ids) - 1, 6), np.float32))
    with pytest.raises(RuntimeError, match="logits of shape"):
        load_engine(tiny_bundle, threads=1, check_golden=False).predict(["so happy", "what"])
