"""From a run of an encoder to a bundle that every CPU and every worker can serve, or to a refusal."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from schemas.bundle import Agreement
from tests.bundles import manifest_fields
from tests.encoders import WORDS, build_bert, build_bertweet, prepared
from training.bundling import export_run
from training.data.rows import TARGETS, read_rows
from training.encoder import encode, load_encoder, load_run
from training.errors import ExportRefused
from training.export import Candidate, _on_lesser_cpus
from training.graphs.encoder_files import graph_files
from training.graphs.encoder_graph import encoder_weights
from training.pipeline import _not_served, train_encoder
from training.teachers import ask
from worker.inference.bundle import GOLDEN_FILE, TOKENIZER_FILE, Golden, read_bundle, write_bundle
from worker.inference.encoder import computes_in_int8, cpu_flags
from worker.inference.engine import load_engine


@pytest.mark.skipif(not computes_in_int8(cpu_flags()), reason="elsewhere sums of int8 products overflow")
def test_a_bundle_that_no_worker_without_vnni_would_start_with_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in ("training.bundling", "training.export", "worker.inference.encoder"):
        monkeypatch.setattr(f"{module}.cpu_flags", lambda: frozenset({"avx512_vnni"}))
    own, run, bundle = prepared(tmp_path / "own", rows=600, unclear=0), tmp_path / "run", tmp_path / "bundle"
    build_bert(tmp_path / "base")
    train_encoder(read_rows(own), str(tmp_path / "base"), run, epochs=3, learning_rate=0.003)
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


def test_what_a_lesser_cpu_answers_is_compared_with_the_golden_cases_and_with_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.export.cpu_flags", lambda: frozenset({"avx512_vnni"}))
    build_bert(tmp_path / "base")
    tokenizer, model = load_encoder(str(tmp_path / "base"))
    texts = [f"the day is so {word} today" for words in WORDS.values() for word in words]
    graph = graph_files(encoder_weights(model.encoder, model.head), ("int8", "static"), encode(tokenizer, texts, 64))
    told = {"pooling": "mean", "hidden_size": 32, "activations": "static"}
    cases = json.dumps([{"text": text, "probabilities": [1 / 6] * 6} for text in texts]).encode()
    files = {**graph, TOKENIZER_FILE: tokenizer.backend_tokenizer.to_str().encode(), GOLDEN_FILE: cases}
    write_bundle(tmp_path / "draft", manifest_fields("encoder", precision="int8", architecture=told), files)
    answers = load_engine(tmp_path / "draft", threads=1, check_golden=False, flags=frozenset()).predict(texts)
    rows = pd.DataFrame(np.eye(6, dtype=np.float32)[answers.argmax(axis=1)], columns=TARGETS).assign(cleaned=texts)

    def lesser(moved: float = 0, turned: int = 0) -> dict[str, Agreement]:
        golden = [Golden(text, (row[0] + moved, *row[1:])) for text, row in zip(texts, answers.tolist(), strict=True)]
        logits = np.roll(np.log(answers), turned, axis=1)
        candidate = Candidate("own", "encoder", "none", "int8", 64, told, {}, logits, {})
        return _on_lesser_cpus(tmp_path / "draft", golden, rows, candidate, 1.0)

    assert {name: agreement.same_label for name, agreement in lesser(moved=0.04).items()} == {"bf16 and VNNI": 1}
    with pytest.raises(ExportRefused, match=r"VNNI: served in fp32 there, it changes a golden case by 0\.06"):
        lesser(moved=0.06)
    with pytest.raises(ExportRefused, match=r"int8 \(static activations\) on a CPU without bf16 and VNNI changes the"):
        lesser(turned=1)


def test_an_encoder_of_few_positions_reads_as_many_tokens(tmp_path: Path) -> None:
    own = prepared(tmp_path / "own")
    build_bert(tmp_path / "base", max_position_embeddings=9)  # the texts have ten tokens
    made = train_encoder(read_rows(own), str(tmp_path / "base"), tmp_path / "run", epochs=1)
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
    train_encoder(read_rows(own), str(tmp_path / "base"), tmp_path / "run", epochs=1)
    assert "base has no fast tokenizer (tokenizer.json): this run may teach others, but" in capsys.readouterr().err
    with pytest.raises(ExportRefused, match=r"base has no fast tokenizer .* which a bundle needs; this run may teach"):
        export_run(own, tmp_path / "run", tmp_path / "bundle", name=None, bundle_version="1")
    assert ask(tmp_path / "run", ["so sunny"]).shape == (1, 6)
