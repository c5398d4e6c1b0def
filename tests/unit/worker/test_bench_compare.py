"""What `bench compare` compares with answers as the engine does: it is the same model."""

from pathlib import Path

import numpy as np
import pytest

from tests.bundles import GOLDEN, manifest_fields
from tests.encoders import build_bert
from worker.inference.bundle import TOKENIZER_FILE, write_bundle
from worker.inference.engine import load_engine

pytest.importorskip("keras")
pytest.importorskip("transformers")

from worker.commands.bench.keras_rival import KerasRival, write_reference
from worker.commands.bench.torch_rival import build_rival

TEXTS = [*GOLDEN, "sad", "what a day, what a day, what a day", "i love the unheard of"]


def test_a_bundle_of_the_reference_sizes_is_served_as_keras_answers(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = write_reference(tiny_bundle, tmp_path)
    given = load_engine(folder, check_golden=False).predict(TEXTS)
    np.testing.assert_allclose(given, KerasRival(folder).predict(TEXTS, 2), atol=1e-5)


def test_the_pipeline_of_transformers_answers_as_the_engine(tmp_path: Path) -> None:
    sizes = {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 2, "initializer_range": 0.2}
    rival = build_rival(encoder_bundle(tmp_path), tmp_path / "made", 1, TEXTS, **sizes)
    given = rival.pipeline(TEXTS, 2)
    assert given.std(axis=0).max() > 0.01
    for precision, engine in rival.engines.items():
        np.testing.assert_allclose(given, engine.predict(TEXTS), atol=1e-5 if precision == "fp32" else 0.05)
        rival.matrix_products(precision, TEXTS, 2)()


def encoder_bundle(folder: Path) -> Path:
    """Only its tokenizer and manifest count."""
    build_bert(folder / "bert")
    fields = manifest_fields("encoder", max_tokens=16)
    golden = b'[{"text": "ok", "probabilities": [1, 0, 0, 0, 0, 0]}]'
    tokenizer = (folder / "bert" / TOKENIZER_FILE).read_bytes()
    write_bundle(folder / "like", fields, {TOKENIZER_FILE: tokenizer, "golden.json": golden})
    return folder / "like"
