"""The whole path with a tiny real model: own rows -> prepare -> train -> export -> the worker's engine labels."""

import json
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click import UsageError
from click.testing import CliRunner, Result

from schemas.emotions import EMOTIONS
from training.__main__ import main
from worker.inference.bundle import GOLDEN_FILE
from worker.inference.engine import load_engine

MOODS = {
    "sadness": "sad lonely crying grief tears",
    "joy": "happy glad delighted smiling sunny",
    "love": "love darling adore sweetheart kiss",
    "anger": "angry furious mad hate rage",
    "fear": "afraid scared terrified panic worried",
    "surprise": "surprised unexpected wow astonished sudden",
}
EVERYDAY = "i am so today and the my very feel now really we this morning in town"
FILLERS = EVERYDAY.split()


def tweet(shuffler: random.Random, mood: str) -> str:
    words = [
        *shuffler.sample(FILLERS, 6),
        *shuffler.sample(MOODS[mood].split(), 2),
        f"case{shuffler.randint(0, 10**6)}",
    ]
    shuffler.shuffle(words)
    return " ".join(words)


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shuffler = random.Random(11)
    path = tmp_path_factory.mktemp("corpus") / "own.jsonl"
    rows = [{"text": tweet(shuffler, mood), "label": mood} for mood in MOODS for _ in range(120)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def glove(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = [*FILLERS, *(word for mood in MOODS.values() for word in mood.split())]
    words = [word for word in words if len(word) > 1]
    path = tmp_path_factory.mktemp("glove") / "glove.npz"
    vectors = np.random.default_rng(5).normal(0, 0.6, (len(words), 100)).astype(np.float16)
    np.savez(path, words=np.array("\n".join(words)), vectors=vectors)
    return path


def test_own_rows_become_a_bundle_that_the_worker_serves(corpus: Path, glove: Path, tmp_path: Path) -> None:
    prepared, run, bundle = tmp_path / "prepared", tmp_path / "run", tmp_path / "bundle"
    assert "read " in invoke("prepare", "--rows", corpus, "--out", prepared).output
    report = json.loads((prepared / "report.json").read_text())
    assert set(report["split"]["classes"]) == {"train", "val", "test"}
    assert "http" not in (prepared / "report.html").read_text().replace("http://www.w3.org/", "")
    trained = invoke(
        *("train", "lstm", "--prepared", prepared, "--glove", glove, "--preset", "tiny"),
        *("--epochs", 12, "--learning-rate", 0.02, "--units", 8, 6, 8, "--source", corpus.stem, "--out", run),
    )
    assert trained.exit_code == 0, trained.output
    exported = invoke("export", "--prepared", prepared, "--run", run, "--bundle", bundle, "--name", "own")
    assert exported.exit_code == 0, exported.output
    engine = load_engine(bundle)
    shuffler = random.Random(12)
    texts = [(tweet(shuffler, mood), mood) for mood in MOODS for _ in range(10)]
    given = engine.predict([text for text, _ in texts]).argmax(axis=1)
    right = np.mean([EMOTIONS[i] == mood for i, (_, mood) in zip(given, texts, strict=True)])
    assert right > 0.5, "six classes whose words do not overlap must be learned"
    assert engine.manifest.agreement is not None
    assert engine.manifest.agreement.same_label >= 0.99
    golden = json.loads((bundle / GOLDEN_FILE).read_text())
    served = engine.predict([case["text"] for case in golden])
    np.testing.assert_allclose([case["probabilities"] for case in golden], served, atol=1e-5)
    evaluated = invoke("evaluate", bundle, "--data", corpus, "--out", tmp_path / "evaluation")
    assert "720" in evaluated.output
    whole = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())
    assert whole["bundle"]["name"] == "own"
    taken = invoke("train", "lstm", "--prepared", prepared, "--start", bundle, "--out", run)
    assert taken.exit_code == 1
    assert f"start None instead of {bundle}" in taken.output, "a run folder holds one run"
    page = (tmp_path / "evaluation" / "evaluation.html").read_text()
    assert "Surest errors" in page
    assert "http" not in page.replace("http://www.w3.org/", "")
    compared = invoke("compare", bundle, bundle, "--prepared", prepared, "--split", "val", "--out", tmp_path)
    assert "no difference shown" in compared.output
    assert json.loads((tmp_path / "comparison.json").read_text())["results"]["own val"]["p_value"] == 1.0


def test_near_duplicates_stay_on_one_side_of_the_split(tmp_path: Path) -> None:
    import pandas as pd  # noqa: PLC0415 - heavy, only here

    shuffler = random.Random(13)
    path = tmp_path / "twins.jsonl"
    rows: list[dict[str, str]] = []
    for mood in MOODS:
        for _ in range(60):
            text = tweet(shuffler, mood)
            copies = (text, f"@someone {text} #tag{len(rows)}", f"RT @someone: {text}", f"{text} \U0001f62d")
            rows += [{"text": copy, "label": mood} for copy in copies]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    invoke("prepare", "--rows", path, "--out", tmp_path / "prepared")
    frame = pd.read_parquet(tmp_path / "prepared" / "rows.parquet")
    assert len(frame[["group", "split"]].drop_duplicates()) == frame["group"].nunique()
    assert (frame["group"].value_counts() == 4).all()
    assert "Stratified by official split and class" in (tmp_path / "prepared" / "report.html").read_text()


def test_unlabelled_copies_of_training_texts_of_an_official_split_are_not_learned_twice(
    corpus: Path, tmp_path: Path
) -> None:
    lines = [json.loads(line) for line in corpus.read_text().splitlines()]
    official, raw, texts = tmp_path / "official.jsonl", tmp_path / "raw.jsonl", [line["text"] for line in lines[:20]]
    official.write_text("".join(json.dumps(line | {"split": "train"}) + "\n" for line in lines))
    raw.write_text("".join(json.dumps({"text": text}) + "\n" for text in [*texts, "nothing like it"]))
    invoke("prepare", "--rows", official, "--unlabelled-rows", raw, "--val-share", 0.2, "--out", tmp_path / "prepared")
    frame = pd.read_parquet(tmp_path / "prepared" / "rows.parquet")
    assert frame.loc[frame["split"] == "unlabelled", "text"].tolist() == ["nothing like it"]


def test_equal_texts_of_a_set_with_an_official_split_and_of_one_without_become_one(
    corpus: Path, tmp_path: Path
) -> None:
    import pandas as pd  # noqa: PLC0415 - heavy, only here

    official = tmp_path / "official.jsonl"
    lines = [json.loads(line) | {"split": "train", "label": "anger"} for line in corpus.read_text().splitlines()]
    official.write_text("".join(json.dumps(line) + "\n" for line in lines))
    invoke("prepare", "--rows", corpus, "--rows", official, "--out", tmp_path / "prepared")
    frame = pd.read_parquet(tmp_path / "prepared" / "rows.parquet")
    assert not frame["cleaned"].duplicated().any()
    without_words = tmp_path / "links.jsonl"
    without_words.write_text(json.dumps({"text": "https://example.org", "label": "joy"}) + "\n")
    result = invoke("prepare", "--rows", without_words, "--out", tmp_path / "nothing")
    assert "no row holds a text with words" in result.output


def test_what_is_nearly_a_row_of_an_official_test_is_learned_from_nowhere(corpus: Path, tmp_path: Path) -> None:
    official = tmp_path / "official.jsonl"
    lines = [json.loads(line) for line in corpus.read_text().splitlines()[::6]]
    rows = [{**line, "text": f"@you {line['text']} #tag", "split": "test"} for line in lines]
    official.write_text("".join(json.dumps(row) + "\n" for row in rows))
    invoke("prepare", "--rows", corpus, "--rows", official, "--out", tmp_path / "prepared")
    frame = pd.read_parquet(tmp_path / "prepared" / "rows.parquet")
    groups = {split: set(part["group"]) for split, part in frame.groupby("split")}
    assert len(groups["test"]) >= len(rows)
    assert not groups["train"] & (groups["test"] | groups["val"])
    assert not groups["val"] & groups["test"]
    told = json.loads((tmp_path / "prepared" / "report.json").read_text())["split"]
    assert sum(told["removed_as_leaks"][corpus.stem].values()) > 0
    assert told["groups_on_two_sides"] == 0


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "body,label\nx,joy\n", "no column 'text'"),
        ("a.jsonl", '{"text": "x", "label": "boredom"}\n', "boredom"),
        ("b.jsonl", "not json\n", "line 1"),
        ("c.jsonl", '{"text": "so happy", "label": "joy"}\n', "fewer than 10"),
        ("d.jsonl", "", "not one row"),
        ("e.csv", "text,label\ncaf\u00e9,joy\n", "line 2: not in utf-8"),
    ],
)
def test_unusable_data_is_named(tmp_path: Path, name: str, content: str, said: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="latin-1")
    result = invoke("prepare", "--rows", path, "--out", tmp_path / "out")
    assert result.exit_code != 0
    assert said in result.output


def test_own_rows_that_would_pass_for_a_public_set_are_named(corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "goemotions"
    folder.mkdir()
    for name in ("airline.jsonl", "emoint-together.jsonl", "own, varied.jsonl", "goemotions/train.jsonl"):
        (tmp_path / name).write_bytes(corpus.read_bytes())
    asked = [("--rows", tmp_path / "airline.jsonl"), ("--rows", tmp_path / "emoint-together.jsonl")]
    asked += [("--unlabelled-rows", tmp_path / "own, varied.jsonl"), ("--dataset", folder)]
    for option, path in asked:
        result = invoke("prepare", option, path, "--out", tmp_path / "out")
        assert result.exit_code == 1
        assert f"{path}: {path.stem!r} is what rows of a public set are filed under; rename it" in result.output


def test_settings_that_do_not_fit_are_named(corpus: Path, tmp_path: Path) -> None:
    invoke("prepare", "--rows", corpus, "--out", tmp_path)
    common = ("--prepared", tmp_path, "--out", tmp_path / "run")
    assert "no rows of dair; its sources are" in invoke("train", "distilbert", *common, "--source", "dair").output
    taught = invoke("distill", *common, "--teacher", tmp_path, "--student", "encoder", "--patience", 3)
    assert "--patience is a setting of an LSTM" in taught.output
    taught = invoke("distill", *common, "--teacher", tmp_path, "--student", "lstm", "--base", tmp_path)
    assert "--base is a setting of an encoder" in taught.output
    taught = invoke("distill", *common, "--teacher", tmp_path, "--student", "encoder", "--glove", corpus)
    assert "--glove is a setting of an LSTM" in taught.output
    assert "--split is of --prepared" in invoke("evaluate", tmp_path, "--data", corpus, "--split", "val").output
    assert "--source is of --prepared" in invoke("evaluate", tmp_path, "--data", corpus, "--source", "own").output


def test_a_bundle_teaches_an_lstm_which_says_by_whom_and_with_what_it_was_made(
    corpus: Path, glove: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = tmp_path / "few.jsonl"
    few.write_text("".join(corpus.read_text().splitlines(keepends=True)[::6]))
    invoke("prepare", "--rows", few, "--out", tmp_path)
    read: list[Path] = []
    whole = pd.read_parquet

    def counted(path: Path) -> pd.DataFrame:
        read.append(path)
        return whole(path)

    monkeypatch.setattr(pd, "read_parquet", counted)
    common = ("--student", "lstm", "--prepared", tmp_path, "--teacher", tiny_bundle, "--preset", "tiny", "--epochs", 1)
    for vectors, said in (((), "no word vectors"), (("--glove", tmp_path / "none.txt"), "none.txt is missing")):
        refused = invoke("distill", *common, *vectors, "--out", tmp_path / "refused")
        assert said in refused.output
        assert not (tmp_path / "refused").exists(), "the teachers are asked last"
    taught = invoke("distill", *common, "--glove", glove, "--out", tmp_path / "run")
    assert taught.exit_code == 0, taught.output
    assert read == [tmp_path / "rows.parquet"], "checking 100,000 rows takes seconds"
    exported = invoke("export", "--prepared", tmp_path, "--run", tmp_path / "run", "--bundle", tmp_path / "bundle")
    assert exported.exit_code == 0, exported.output
    assert "no figures: fewer than 30 validation and test rows of every source" in exported.output
    manifest = load_engine(tmp_path / "bundle").manifest
    assert {"keras", "numpy", "onnxruntime"} <= set(manifest.libraries)
    assert f"taught by {tiny_bundle.name}" in (tmp_path / "bundle" / "README.md").read_text()


def test_a_mix_without_a_folder_of_its_sets_says_what_to_name(tmp_path: Path) -> None:
    refused = invoke("prepare", "--mix", "product", "--out", tmp_path)
    assert refused.exit_code == UsageError.exit_code
    assert "name the folder of the public sets with --data (EMOTION_DATA)" in refused.output


def test_shares_that_leave_nothing_and_a_path_of_no_use_are_named(corpus: Path, tmp_path: Path) -> None:
    shares = ("--val-share", 0.5, "--test-share", 0.5)
    assert "leave no row to train on" in invoke("prepare", "--rows", corpus, *shares, "--out", tmp_path).output
    result = invoke("prepare", "--rows", corpus, "--out", corpus)
    assert result.exit_code == 1
    assert f"{corpus}: File exists; check the path" in result.output


def test_prepared_rows_that_are_damaged_or_of_something_else_are_named(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_text("not Parquet")
    train = ("train", "distilbert", "--prepared", tmp_path, "--base", tmp_path, "--out", tmp_path / "run")
    result = invoke(*train)
    assert result.exit_code == 1
    assert "make it anew with `python -m training prepare`" in result.output
    pd.DataFrame({"text": ["so happy"], "source": "own"}).to_parquet(tmp_path / "rows.parquet")
    result = invoke(*train)
    assert result.exit_code == 1
    assert "rows.parquet lacks cleaned, p_anger, p_fear" in result.output


def test_a_missing_folder_names_the_command_that_makes_it(tmp_path: Path) -> None:
    result = invoke("export", "--prepared", tmp_path, "--run", tmp_path, "--bundle", tmp_path / "b")
    assert result.exit_code != 0
    assert "python -m training prepare" in result.output


def test_a_name_that_no_manifest_takes_is_refused_before_any_work(tmp_path: Path) -> None:
    result = invoke("export", "--prepared", tmp_path, "--run", tmp_path, "--bundle", tmp_path / "b", "--name", "My Own")
    assert result.exit_code == 2
    assert "small letters, digits" in result.output
