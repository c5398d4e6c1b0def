import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from tests.bundles import build_tiny_bundle
from training.__main__ import main
from training.data.rows import TARGETS
from worker.inference.engine import load_engine


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "seen.jsonl"
    rows = [
        {"text": "i am so happy", "label": "joy"},
        {"text": "i love this day", "labels": ["love", "joy"]},
        {"text": "what a day", "labels": []},
        {"text": "nobody looked at this", "label": None},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_bundle_is_measured_on_own_rows(tiny_bundle: Path, data: Path, tmp_path: Path) -> None:
    result = invoke("evaluate", tiny_bundle, "--data", data, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    whole = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    one = whole["results"][str(data)]
    assert whole["bundle"]["name"] == "tiny"
    assert (one["rows"], one["none_of_six"]["rows"]) == (2, 1)
    happy, love, nothing = (
        load_engine(tiny_bundle).predict(["i am so happy", "i love this day", "what a day"]).max(axis=1)
    )
    assert one["none_of_six"]["auroc"] == np.mean([happy > nothing, love > nothing])
    assert {"macro_precision", "micro_recall", "weighted_f1", "macro_f1_95", "ece_before_temperature"} <= set(one)
    page = (tmp_path / "out" / "evaluation.html").read_text()
    assert "Calibration" in page
    assert "<script" not in page


def test_a_split_of_a_prepared_folder_is_measured_by_source(tiny_bundle: Path, tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["so happy", "so sad", "angry"], "source": ["a", "b", "a"], "split": ["test"] * 3})
    frame["cleaned"] = frame["text"]
    frame[TARGETS] = [[0, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0]]
    frame.to_parquet(tmp_path / "rows.parquet")
    result = invoke("evaluate", tiny_bundle, "--prepared", tmp_path, "--split", "test", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    results = json.loads((tmp_path / "out" / "evaluation.json").read_text())["results"]
    assert {name: one["rows"] for name, one in results.items()} == {"a test": 2, "b test": 1}
    result = invoke("evaluate", tiny_bundle, "--prepared", tmp_path, "--split", "test", "--source", "c")
    assert "no test rows of c; this split has a, b" in result.output


def test_rows_that_cannot_be_measured_are_named(tiny_bundle: Path, data: Path, tmp_path: Path) -> None:
    assert "name the rows" in invoke("evaluate", tiny_bundle).output
    assert "prepare" in invoke("evaluate", tiny_bundle, "--prepared", tmp_path / "none").output
    data.write_text('{"text": "x", "label": "ennui"}\n')
    assert "'ennui' (1 rows)" in invoke("evaluate", tiny_bundle, "--data", data).output
    (tmp_path / "names.json").write_text('{"ennui": "none"}')
    mapped = invoke("evaluate", tiny_bundle, "--data", data, "--labels", tmp_path / "names.json")
    assert "no rows with one of the six" in mapped.output


def test_a_bundle_that_is_sure_of_nothing_is_measured_too(tmp_path: Path) -> None:
    bundle = build_tiny_bundle(tmp_path / "bundle", temperature=1000.0)
    (tmp_path / "own.jsonl").write_text('{"text": "i am so happy", "label": "joy"}\n')
    result = invoke("evaluate", bundle, "--data", tmp_path / "own.jsonl", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "no confidence reaches 0.20" in (tmp_path / "out" / "evaluation.html").read_text()


def test_brackets_and_colons_in_a_name_stay(
    tiny_bundle: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = data.rename(tmp_path / "own[bold][x]:joy:.jsonl").name
    evaluated = invoke("evaluate", tiny_bundle, "--data", own, "--out", "[red]")
    assert "read [red]/evaluation.html" in evaluated.output
    for result in (evaluated, invoke("compare", tiny_bundle, tiny_bundle, "--data", own)):
        assert own in result.output


def test_two_bundles_are_compared_on_the_same_rows(tiny_bundle: Path, data: Path, tmp_path: Path) -> None:
    result = invoke("compare", tiny_bundle, tiny_bundle, "--data", data, "--out", tmp_path)
    assert "McNemar p = 1: no difference shown" in result.output
    assert json.loads((tmp_path / "comparison.json").read_text())["results"][str(data)]["same_label"] == 1
