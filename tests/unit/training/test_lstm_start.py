import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.bundles import EVERYDAY, WORDS, build_tiny_bundle
from tests.encoders import write_rows
from training.__main__ import main
from training.errors import DataUnreadable
from training.words import build_tokenizer, count_trained, encode
from worker.inference.engine import load_engine

pytest.importorskip("keras")

from training import lstm_start
from training.lstm import BEST_FILE, LstmSettings, predict


def test_a_model_started_from_a_bundle_answers_as_the_bundle_does(tiny_bundle: Path) -> None:
    start = lstm_start.from_bundle(tiny_bundle, LstmSettings())
    assert start.vocabulary == WORDS
    assert start.settings.units == (8, 8, 6)
    texts = [EVERYDAY, "i love what", "unheard of"]
    given = predict(start.model, encode(build_tokenizer(start.vocabulary), texts))
    np.testing.assert_allclose(given, load_engine(tiny_bundle).predict_cleaned(texts), atol=1e-5)


def test_the_table_of_a_started_model_is_that_of_the_bundle(tiny_bundle: Path) -> None:
    import onnx  # noqa: PLC0415 - heavy, only here

    from training.graphs.lstm_graph import read_lstm_graph  # noqa: PLC0415 - as above

    start = lstm_start.from_bundle(tiny_bundle, LstmSettings())
    written = read_lstm_graph(onnx.load(str(tiny_bundle / "model.onnx"))).embedding
    np.testing.assert_array_equal(start.model.get_layer("words").table()[1:], written[1:])


def test_a_bundle_whose_vocabulary_holds_a_word_twice_is_no_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.bundles.WORDS", [*WORDS, "<user>"])
    bundle = build_tiny_bundle(tmp_path / "bundle")
    with pytest.raises(DataUnreadable, match=r"tokenizer\.json holds 18 words, model\.onnx has vectors of 19"):
        lstm_start.from_bundle(bundle, LstmSettings())


def test_trained_words_are_those_before_the_first_of_glove() -> None:
    assert count_trained(["<pad>", "<unk>", "<url>", "<user>", "i", "a", "the", "x"]) == 5
    assert count_trained(["<pad>", "<unk>"]) == 1


def test_an_unfinished_run_is_no_start(tmp_path: Path) -> None:
    with pytest.raises(DataUnreadable, match=r"vocabulary\.json is missing"):
        lstm_start.from_run(tmp_path, LstmSettings())


def test_sizes_that_a_start_has_not_are_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "own.jsonl", 300)
    prepare = ["prepare", "--rows", str(tmp_path / "own.jsonl"), "--out", str(tmp_path)]
    assert CliRunner().invoke(main, prepare).exit_code == 0
    train = ["train", "lstm", "--prepared", str(tmp_path), "--start", str(tiny_bundle), "--out", str(tmp_path / "run")]
    for asked in (["--preset", "reference"], ["--units", "9", "9", "9"]):
        result = CliRunner().invoke(main, [*train, *asked])
        assert result.exit_code == 1
        assert "has 8 8 6 units; name those, or neither --units nor --preset" in result.output


def test_a_run_with_damaged_weights_is_named(tmp_path: Path) -> None:
    (tmp_path / "vocabulary.json").write_text(json.dumps({"vocabulary": WORDS, "trained": 4}))
    (tmp_path / "run.json").write_text(json.dumps({"kind": "lstm", "sizes": {"units": [8, 8, 6]}, "base": "glove"}))
    (tmp_path / BEST_FILE).write_bytes(b"cut")
    with pytest.raises(DataUnreadable, match=f"{BEST_FILE} cannot be read"):
        lstm_start.from_run(tmp_path, LstmSettings())
