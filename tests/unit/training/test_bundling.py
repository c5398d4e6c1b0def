"""From a run of an encoder to a bundle that every CPU and every worker can serve, or to a refusal."""

import json
import re
from pathlib import Path

import pytest
import torch

from tests.encoders import build_bert, build_bertweet, prepared
from training.bundling import export_run
from training.data.rows import read_rows
from training.encoder import load_encoder, load_run
from training.errors import ExportRefused
from training.pipeline import _not_served, train_encoder
from training.teachers import ask
from worker.inference.bundle import read_bundle
from worker.inference.engine import load_engine


def test_a_bundle_that_no_worker_without_vnni_would_start_with_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in ("training.bundling", "training.export", "worker.inference.encoder"):
        monkeypatch.setattr(f"{module}.cpu_flags", lambda: frozenset({"avx512_vnni"}))
    own, run, bundle = prepared(tmp_path / "own", rows=600, unclear=0), tmp_path / "run", tmp_path / "bundle"
    build_bert(tmp_path / "base")
    train_encoder(own, str(tmp_path / "base"), run, epochs=3, learning_rate=0.003)
    with monkeypatch.context() as known:
        known.setattr("training.export.GOLDEN_TEXTS", tuple(read_rows(own)["cleaned"][:10]))
        export_run(own, run, bundle, name=None, bundle_version="1")
    assert read_bundle(bundle).manifest.architecture["activations"] == "static"
    assert re.search(r"On a CPU without bf16 and VNNI: (99|100)\.\d %", (bundle / "README.md").read_text())
    weights = torch.load(run / "best.pt", weights_only=True)
    unknown = weights["encoder.embeddings.word_embeddings.weight"][load_run(run)[0].unk_token_id]
    unknown[:], unknown[3] = 0, 5  # far from what the texts that give the scales hold
    torch.save(weights, run / "best.pt")
    export_run(own, run, bundle, name=None, bundle_version="2")
    manifest = load_engine(bundle, threads=1, flags=frozenset()).manifest
    assert (manifest.version, manifest.architecture["activations"] == "static") == ("2", False)
    said = capsys.readouterr().err
    assert "int8 (static activations) would start no worker on a CPU without bf16 and VNNI: served in fp32" in said


def test_an_encoder_of_few_positions_reads_as_many_tokens(tmp_path: Path) -> None:
    own = prepared(tmp_path / "own")
    build_bert(tmp_path / "base", max_position_embeddings=9)  # the texts have ten tokens
    made = train_encoder(own, str(tmp_path / "base"), tmp_path / "run", epochs=1)
    assert made["sizes"]["max_tokens"] == 9
    made["sizes"]["max_tokens"] = 64  # as a run of before says
    (tmp_path / "run" / "run.json").write_text(json.dumps(made))
    assert export_run(own, tmp_path / "run", tmp_path / "bundle", name=None, bundle_version="1").max_tokens == 9
    answers = load_engine(tmp_path / "bundle", threads=1).predict(
        ["the day is so my with today", "the day is so my with today home gasp"]
    )
    assert (answers[0] == answers[1]).all()


def test_an_encoder_without_a_graph_is_told_before_it_is_trained(tmp_path: Path) -> None:
    for odd, said in (({"hidden_act": "relu"}, "only for gelu"), ({"is_decoder": True}, "a bert that is a decoder")):
        build_bert(tmp_path / said, **odd)
        why = _not_served("own", *load_encoder(str(tmp_path / said)))
        assert why is not None
        assert said in why


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
