"""A tiny real bundle: random weights, a few words, the same files as any other."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.graphs.lstm_graph import Bidirectional, Weights, build_lstm_graph
from training.words import PAD, UNKNOWN, build_tokenizer
from worker.inference.bundle import write_bundle
from worker.inference.cleaning import PLACEHOLDERS
from worker.inference.engine import load_engine

EVERYDAY = "i am so happy sad angry afraid love this what a day not the"
WORDS = [PAD, UNKNOWN, *PLACEHOLDERS, *EVERYDAY.split()]
GOLDEN = ("so happy today", "this is not a love song, I am angry")


def build_tiny_bundle(folder: Path, *, seed: int = 7, version: str = "1", temperature: float = 1.0) -> Path:
    """Write the bundle and return its folder; another ``seed`` gives another model."""
    random = np.random.default_rng(seed)

    def array(*shape: int) -> NDArray[np.float32]:
        return random.normal(0, 0.8, shape).astype(np.float32)

    def weights(width: int, units: int) -> Weights:
        return array(width, 4 * units), array(units, 4 * units), array(4 * units)

    layers = [Bidirectional(weights(w, u), weights(w, u)) for w, u in ((12, 8), (16, 8), (16, 6))]
    graph = build_lstm_graph(array(len(WORDS), 12).astype(np.float16), layers, array(12, 6), array(6))
    files = {"model.onnx": graph.SerializeToString(), "tokenizer.json": build_tokenizer(WORDS).to_str().encode()}
    fields = manifest_fields("lstm", version=version, max_tokens=32, abstain_threshold=0.2, temperature=temperature)
    write_bundle(folder, fields, files | {"golden.json": _golden([[1 / 6] * 6] * len(GOLDEN))})
    rows = load_engine(folder, check_golden=False).predict(GOLDEN)
    write_bundle(folder, fields, files | {"golden.json": _golden(rows.tolist())})
    return folder


def manifest_fields(kind: str, **others: Any) -> dict[str, Any]:
    """What a manifest must say; ``others`` go before."""
    needed = {
        "name": "tiny",
        "version": "1",
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "kind": kind,
        "base_model": "none",
        "max_tokens": 64,
        "precision": "fp32",
        "temperature": 1.0,
        "abstain_threshold": 0.0,
    }
    return needed | others


def _golden(rows: list[list[float]]) -> bytes:
    cases = [{"text": text, "probabilities": row} for text, row in zip(GOLDEN, rows, strict=True)]
    return json.dumps(cases).encode()
