"""Figures of a bundle on labelled rows, through the worker's own engine."""

import html
import json
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.emotions import EMOTIONS
from training.data.labels import USUAL, target_of
from training.data.rows import NONE_OF_SIX
from training.data.tables import Columns, read_table
from training.errors import TooFewRows
from training.metrics import figures, mcnemar
from worker.inference.engine import load_engine

_WORST_SHOWN = 30
_SLICES: dict[str, Callable[[str], bool]] = {
    "short (up to 8 words)": lambda text: len(text.split()) <= 8,
    "long (over 20 words)": lambda text: len(text.split()) > 20,
    "has a hashtag": lambda text: "#" in text,
    "has a mention": lambda text: "@" in text,
    "has a URL": lambda text: "http" in text,
    "has an emoji": lambda text: any(ord(character) >= 0x2600 for character in text),
    "has a negation": lambda text: re.search(r"\b(?:not|never|no|cannot)\b|n't\b", text.lower()) is not None,
}


def evaluate(bundle: Path, files: Sequence[Path], out: Path | None = None) -> dict[str, dict[str, Any]]:
    """Figures for each file (JSONL or CSV with text and label or labels); written to ``out`` as JSON and HTML.

    Raises:
        TooFewRows: a file has no rows.
        DataUnreadable, LabelsUnknown, InferenceError: what their names say.
    """
    engine = load_engine(bundle)
    results = {}
    for path in files:
        texts, accepted = _read(path)
        started = time.perf_counter()
        probabilities = engine.predict(texts)
        seconds = time.perf_counter() - started
        result = figures(probabilities, accepted)
        result["tweets_per_second"] = len(texts) / seconds
        result["slices"] = _slices(texts, probabilities, accepted)
        result["worst"] = _worst(texts, probabilities, accepted)
        results[str(path)] = result
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        whole = {"bundle": {"name": engine.manifest.name, "version": engine.manifest.version}, "results": results}
        (out / "evaluation.json").write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
        (out / "evaluation.html").write_text(_page(engine.manifest.name, results), encoding="utf-8")
    return results


def compare(first: Path, second: Path, files: Sequence[Path]) -> dict[str, Any]:
    """Accuracy of two bundles on the same rows and the exact McNemar test."""
    engines = [load_engine(first), load_engine(second)]
    results = {}
    for path in files:
        texts, accepted = _read(path)
        right = [accepted[np.arange(len(texts)), engine.predict(texts).argmax(1)] for engine in engines]
        results[str(path)] = {"accuracy": [float(r.mean()) for r in right], **mcnemar(right[0], right[1])}
    return results


def _read(path: Path) -> tuple[list[str], NDArray[np.bool_]]:
    rows = [(row.text, target_of(row.labels, USUAL)) for row in read_table(path, Columns()) if row.labels is not None]
    rows = [(text, target) for text, target in rows if target not in (None, NONE_OF_SIX)]
    if not rows:
        raise TooFewRows(f"{path} holds no rows with one of the six")
    return [text for text, _ in rows], np.asarray([target for _, target in rows]) > 0


def _slices(texts: list[str], probabilities: NDArray[np.float32], accepted: NDArray[np.bool_]) -> dict[str, Any]:
    found = {}
    for name, belongs in _SLICES.items():
        inside = np.asarray([belongs(text) for text in texts])
        if inside.any():
            one = figures(probabilities[inside], accepted[inside])
            found[name] = {key: one[key] for key in ("rows", "accuracy", "accuracy_95", "macro_f1")}
    return found


def _worst(texts: list[str], probabilities: NDArray[np.float32], accepted: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """The surest wrong answers."""
    given = probabilities.argmax(1)
    wrong = np.flatnonzero(~accepted[np.arange(len(given)), given])
    surest = wrong[np.argsort(-probabilities[wrong].max(1))][:_WORST_SHOWN]
    return [
        {
            "text": texts[i],
            "given": EMOTIONS[given[i]],
            "confidence": float(probabilities[i].max()),
            "accepted": [EMOTIONS[j] for j in np.flatnonzero(accepted[i])],
        }
        for i in surest
    ]


def _page(name: str, results: dict[str, dict[str, Any]]) -> str:
    parts = [f"<!doctype html><meta charset=utf-8><title>{html.escape(name)}</title><h1>{html.escape(name)}</h1>"]
    for path, result in results.items():
        parts.append(f"<h2>{html.escape(Path(path).name)}</h2>")
        parts.append(_rows([(k, _number(v)) for k, v in result.items() if isinstance(v, int | float)]))
        parts.append("<h3>Classes</h3>")
        parts.append(_rows([(e, *(f"{v:.3f}" for v in c.values())) for e, c in result["classes"].items()]))
        parts.append("<h3>Confusion (rows: truth)</h3>")
        parts.append(_rows([(e, *map(str, row)) for e, row in zip(EMOTIONS, result["confusion"], strict=True)]))
        parts.append("<h3>Slices</h3>")
        parts.append(_rows([(n, str(s["rows"]), f"{s['accuracy']:.3f}") for n, s in result["slices"].items()]))
        parts.append("<h3>Surest errors</h3>")
        parts.append(
            _rows(
                [(w["text"], w["given"], f"{w['confidence']:.2f}", ", ".join(w["accepted"])) for w in result["worst"]]
            )
        )
    return "\n".join(parts)


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4f}"


def _rows(rows: list[tuple[str, ...]]) -> str:
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table border=1 cellspacing=0 cellpadding=4>{body}</table>"
