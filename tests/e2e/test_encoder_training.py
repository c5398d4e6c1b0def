"""A tiny encoder through the whole path: prepare, train, distil, export, the worker's engine labels."""

import json
from pathlib import Path

from click.testing import CliRunner

from schemas.emotions import EMOTIONS
from tests.encoders import WORDS, build_bert, build_mpnet, write_rows
from training.__main__ import main
from worker.inference.engine import load_engine


def run(*arguments: object) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_an_encoder_teaches_another_which_the_worker_serves(tmp_path: Path) -> None:
    base, prepared = tmp_path / "base", tmp_path / "prepared"
    build_bert(base)
    write_rows(tmp_path / "rows.jsonl")
    run("prepare", "--rows", tmp_path / "rows.jsonl", "--variations", 1, "--out", prepared)
    fit = ("train", "distilbert", "--prepared", prepared, "--base", base, "--epochs", 3, "--learning-rate", 0.003)
    run(*fit, "--out", tmp_path / "teacher")
    taught = ["--teacher", tmp_path / "teacher", "--start", tmp_path / "teacher", "--out", tmp_path / "student"]
    run("distill", "--student", "encoder", *fit[2:], *taught)
    to_bundle = ("--bundle", tmp_path / "bundle", "--prune-vocabulary", 0)
    run("export", "--prepared", prepared, "--run", tmp_path / "student", *to_bundle)
    engine = load_engine(tmp_path / "bundle", threads=1)
    assert engine.manifest.kind == "encoder"
    assert engine.manifest.agreement is not None
    assert engine.manifest.agreement.flipped_by_rebatching == 0
    answers = engine.predict([f"my day is so {words[0]} today" for words in WORDS.values()])
    assert [EMOTIONS[i] for i in answers.argmax(axis=1)] == list(WORDS)
    card, report = ((tmp_path / name).read_text() for name in ("bundle/README.md", "prepared/report.json"))
    assert "It was taught by teacher." in card
    assert "`python -m training export --prune-vocabulary 0`" in card
    assert "rows of variations of rows (own rows)" in card
    assert json.loads(report)["save"]["sha256"] in card
    refreshed = tmp_path / "refreshed"
    run(*fit[:6], "--epochs", 1, "--learning-rate", 1e-6, "--start", tmp_path / "bundle", "--out", refreshed)
    assert json.loads((refreshed / "run.json").read_text())["history"][0]["val_accuracy"] > 0.95


def test_a_distilbert_cut_from_mpnet_is_trained_and_served(tmp_path: Path) -> None:
    build_mpnet(tmp_path / "teacher", layers=4)
    write_rows(tmp_path / "rows.jsonl")
    prepared, student, fitted, bundle = (tmp_path / name for name in ("prepared", "student", "run", "bundle"))
    run("prepare", "--rows", tmp_path / "rows.jsonl", "--out", prepared)
    assert "layers 0, 3 of" in run("student", "--teacher", tmp_path / "teacher", "--layers", 2, "--out", student)
    fit = ("train", "distilbert", "--prepared", prepared, "--base", student, "--learning-rate", 0.003)
    run(*fit, "--epochs", 2, "--out", fitted)
    run("export", "--prepared", prepared, "--run", fitted, "--bundle", bundle)
    engine = load_engine(bundle, threads=1)
    assert engine.manifest.kind == "distilbert"
    answers = engine.predict([f"my day is so {words[0]} today" for words in WORDS.values()])
    assert [EMOTIONS[i] for i in answers.argmax(axis=1)] == list(WORDS)
