"""What stays and what learns in an encoder, and the precision it is computed in."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.encoders import build_bert, build_distilbert, build_mpnet
from training.encoder import EncoderSettings, best_precision, freeze, load_encoder, most_tokens, predict_logits
from training.errors import DataUnreadable, SettingUnfit
from training.fine_tuning import FineTuning
from training.student import write_student


@pytest.mark.parametrize("build", [build_bert, build_mpnet, build_distilbert])
def test_frozen_layers_and_embeddings_stay_as_they_are(build: Callable[[Path], Any], tmp_path: Path) -> None:
    build(tmp_path / "base")
    model = load_encoder(str(tmp_path / "base"))[1]
    freeze(model.encoder, 1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    targets = np.eye(6, dtype=np.float32)
    ids = [[4, 5 + n, 6] for n in range(6)]
    FineTuning(model, (ids, targets, np.ones(6, np.float32)), ids, EncoderSettings()).learn([np.arange(6)])
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert not [name for name in changed if "embeddings" in name or "layer.0." in name]
    assert {"head.weight"} < changed
    assert [name for name in changed if "layer.1." in name]


def test_more_layers_than_there_are_cannot_be_frozen(tmp_path: Path) -> None:
    build_bert(tmp_path)
    with pytest.raises(SettingUnfit, match=r"--freeze-layers 3: the encoder has 2 layers"):
        freeze(load_encoder(str(tmp_path))[1].encoder, 3)


def test_a_base_that_is_not_there_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataUnreadable, match=r"no encoder at .*: name a local folder .* while the Hub can be reached"):
        load_encoder(str(tmp_path))


def config_says(folder: Path, **others: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | others))


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


def without_tokenizer(folder: Path) -> None:
    for file in folder.glob("tokenizer*"):
        file.unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: config_says(folder, num_hidden_layers=3), r"no weights for encoder\.layer\.2\..*in all 16"),
        (lambda folder: config_says(folder, intermediate_size=96), "no encoder at"),
        (lambda folder: config_says(folder, hidden_size="wide"), "no encoder at"),
        (lambda folder: cut_short(folder / "model.safetensors"), "no encoder at"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "no encoder at"),
        (without_tokenizer, "has no vocabulary"),
    ],
    ids=["weights missing", "of other shapes", "odd config", "damaged weights", "odd tokenizer", "no tokenizer"],
)
def test_nothing_random_takes_the_place_of_what_a_base_lacks(
    spoil: Callable[[Path], object], said: str, tmp_path: Path
) -> None:
    build_bert(tmp_path / "base")
    spoil(tmp_path / "base")
    with pytest.raises(DataUnreadable, match=said):
        load_encoder(str(tmp_path / "base"))
    with pytest.raises(DataUnreadable, match=said):
        write_student(tmp_path / "base", tmp_path / "student", layers=1)


def test_a_base_without_a_pooler_is_whole(tmp_path: Path) -> None:
    model = build_bert(tmp_path)
    kept = {name: value for name, value in model.state_dict().items() if not name.startswith("pooler.")}
    model.save_pretrained(tmp_path, state_dict=kept)
    assert load_encoder(str(tmp_path))[1].head.out_features == 6


@pytest.mark.parametrize(("build", "most"), [(build_bert, 512), (build_mpnet, 64), (build_distilbert, 512)])
def test_no_more_tokens_are_read_than_there_are_positions(
    build: Callable[[Path], Any], most: int, tmp_path: Path
) -> None:
    build(tmp_path / "base")
    model = load_encoder(str(tmp_path / "base"))[1].eval()
    assert [most_tokens(model.encoder, wanted) for wanted in (7, 10_000)] == [7, most]
    assert predict_logits(model, [[4] * most], dtype=torch.float32).shape == (1, 6)
    with pytest.raises((RuntimeError, IndexError)):
        predict_logits(model, [[4] * (most + 1)], dtype=torch.float32)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU goes before the CPU")
@pytest.mark.parametrize(
    ("flags", "precision"),
    [
        ("fpu avx2 fma", torch.float32),
        ("avx512f avx512_vnni", torch.float32),
        ("avx512f avx512_bf16", torch.bfloat16),
        ("amx_bf16 amx_tile", torch.bfloat16),
        (None, torch.float32),
    ],
)
def test_bf16_is_chosen_only_where_the_cpu_computes_in_it(
    tmp_path: Path, flags: str | None, precision: torch.dtype
) -> None:
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(f"flags\t\t: {flags}\n")
    assert best_precision(tmp_path / "cpuinfo") == precision
