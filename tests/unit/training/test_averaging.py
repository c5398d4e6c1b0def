import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from tests.encoders import build_bert, build_mpnet
from training.__main__ import main
from training.averaging import _story, average_runs
from training.encoder import BEST_FILE, load_encoder, load_run, save_encoder
from training.encoder_start import begin_with
from training.errors import DataUnreadable, FolderTaken, SettingUnfit


def made_run(base: Path, run: Path, *, moved: float = 0.0, learned: int = 10, teacher: str = "a") -> Path:
    """A finished run of the encoder in ``base``, every weight of which was moved."""
    tokenizer, model = load_encoder(str(base))
    torch.nn.init.zeros_(model.head.weight)  # the head begins at random
    torch.nn.init.zeros_(model.head.bias)
    for parameter in model.parameters():
        parameter.data += moved
    save_encoder(run, tokenizer, model)
    torch.save(model.state_dict(), run / BEST_FILE)
    story = {"kind": "encoder", "base": str(base), "teachers": [teacher], "learned": {"dair": learned}, "sizes": {}}
    (run / "run.json").write_text(json.dumps(story))
    return run


def test_the_weights_are_the_mean_and_the_story_tells_of_all(tmp_path: Path) -> None:
    build_bert(tmp_path / "base")
    first = made_run(tmp_path / "base", tmp_path / "first")
    second = made_run(tmp_path / "base", tmp_path / "second", moved=1.0, learned=30, teacher="b")
    result = CliRunner().invoke(main, ["average", str(first), str(second), "--out", str(tmp_path / "mean")])
    assert result.exit_code == 0, result.output
    begun, mean = (load_run(run)[1] for run in (first, tmp_path / "mean"))
    for before, after in zip(begun.parameters(), mean.parameters(), strict=True):
        torch.testing.assert_close(after, before + 0.5)
    story = json.loads((tmp_path / "mean" / "run.json").read_text())
    assert (story["teachers"], story["learned"], story["averaged"]) == (["a", "b"], {"dair": 30}, ["first", "second"])
    with pytest.raises(FolderTaken):
        average_runs([first, second], tmp_path / "mean")


def test_the_prepared_rows_are_told_if_all_runs_had_the_same(tmp_path: Path) -> None:
    stories: list[dict[str, Any]] = [
        {"learned": {}, "teachers": [], "prepared_sha256": sha256} for sha256 in ("a", "a", "b")
    ]
    runs = [tmp_path] * 2
    assert _story(runs, stories[:2])["prepared_sha256"] == "a"
    assert "prepared_sha256" not in _story(runs, stories[1:])
    assert "prepared_sha256" not in _story(runs, [stories[0], {"learned": {}, "teachers": []}])


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    build_bert(tmp_path / "base")
    first = made_run(tmp_path / "base", tmp_path / "first")
    for content in (b"", b"no weights", (first / BEST_FILE).read_bytes()[:5000]):
        (first / BEST_FILE).write_bytes(content)
        with pytest.raises(DataUnreadable, match=r"first/best\.pt cannot be read"):
            average_runs([first, first], tmp_path / "mean")
        with pytest.raises(DataUnreadable, match=r"first/best\.pt cannot be read"):
            begin_with(*load_encoder(str(tmp_path / "base")), first)


def test_runs_that_cannot_be_averaged_are_named(tmp_path: Path) -> None:
    build_bert(tmp_path / "base")
    build_mpnet(tmp_path / "other")
    first = made_run(tmp_path / "base", tmp_path / "first")
    with pytest.raises(SettingUnfit, match=r"second has the base .*other, .*first has .*base: only runs of one base"):
        average_runs([first, made_run(tmp_path / "other", tmp_path / "second")], tmp_path / "mean")
    with pytest.raises(DataUnreadable, match="name a run of `train distilbert`"):
        average_runs([first, tmp_path], tmp_path / "mean")
    (first / "run.json").unlink()
    with pytest.raises(DataUnreadable, match=r"first/run.json is missing; .*an interrupted run goes on"):
        average_runs([first, first], tmp_path / "mean")
    result = CliRunner().invoke(main, ["average", str(first), "--out", str(tmp_path / "mean")])
    assert "name two runs at least" in result.output
    assert not (tmp_path / "mean").exists()


def test_the_most_rows_of_a_source_are_told_whichever_run_learned_them(tmp_path: Path) -> None:
    stories: list[dict[str, Any]] = [{"learned": {"dair": rows}, "teachers": []} for rows in (30, 10)]
    assert _story([tmp_path] * 2, stories)["learned"] == {"dair": 30}
