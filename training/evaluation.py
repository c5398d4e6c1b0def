"""Figures of a bundle on labelled rows, through the worker's own engine."""

import json
import os
import re
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.emotions import EMOTIONS
from training.calibration import ece, retempered
from training.data.rows import excerpt
from training.files import refuse_bundle, replaced
from training.labelled import Labelled
from training.metrics import answers, auroc, figures
from training.scoring import score
from worker.inference.engine import Engine, load_engine

JSON_FILE, PAGE_FILE = "evaluation.json", "evaluation.html"
_WORST_SHOWN = 40
_NEGATION = re.compile(
    r"\b(?:not|never|no|nor|cannot|without)\b|n['\u2019]t\b|"
    r"\b(?:ai|are|ca|could|did|does|do|had|has|have|is|must|should|was|were|wo|would)nt\b",
    re.IGNORECASE,
)
_LENGTHS: dict[str, Callable[[str], bool]] = {
    "up to 8 words": lambda text: len(text.split()) <= 8,
    "9 to 20 words": lambda text: 8 < len(text.split()) <= 20,
    "over 20 words": lambda text: len(text.split()) > 20,
}
_TRAITS: dict[str, Callable[[str], bool]] = {
    "has a hashtag": lambda text: "#" in text,
    "has a mention": lambda text: "@" in text,
    "has a URL": lambda text: re.search(r"https?://|www\.", text) is not None,
    "has an emoji": lambda text: any(ord(character) >= 0x2600 for character in text),
    "has a negation": lambda text: _NEGATION.search(text) is not None,
}
_SLICES: dict[str, Callable[[str], bool]] = {
    **_LENGTHS,
    **_TRAITS,
    "has none of these": lambda text: not any(belongs(text) for belongs in _TRAITS.values()),
}


def evaluate(bundle: Path, data: Iterable[Labelled], out: Path | None = None) -> dict[str, Any]:
    """Figures for each set of labelled rows; written to ``out`` as ``evaluation.json`` and ``evaluation.html``.

    Returns:
        ``bundle``: what was measured; ``results``: name of the rows -> figures.

    Raises:
        InferenceError: the bundle is missing, unfit or answers otherwise than at export.
        FolderTaken: ``out`` is a bundle.
    """
    if out is not None:
        refuse_bundle(out)
    started = time.perf_counter()
    engine = load_engine(bundle)
    manifest = engine.manifest
    whole: dict[str, Any] = {
        "bundle": {
            "name": manifest.name,
            "version": manifest.version,
            "kind": manifest.kind,
            "base_model": manifest.base_model,
            "precision": engine.precision,
            "temperature": manifest.temperature,
            "abstain_threshold": manifest.abstain_threshold,
            "megabytes": round(sum(file.stat().st_size for file in bundle.iterdir()) / 1e6, 1),
            "load_s": round(time.perf_counter() - started, 3),
            "cores": len(os.sched_getaffinity(0)),
        },
        "results": {labelled.name: measure(engine, labelled, *timed_answers(engine, labelled)) for labelled in data},
    }
    if out is not None:
        from training.reports.evaluation import write_page  # noqa: PLC0415 - matplotlib

        with replaced(out / JSON_FILE) as path:
            path.write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        write_page(whole, out / PAGE_FILE)
    return whole


def timed_answers(engine: Engine, labelled: Labelled) -> tuple[NDArray[np.float32], float]:
    """The probabilities of the rows, float32 ``[n, 6]``, and the seconds that they took."""
    started = time.perf_counter()
    probabilities = score(engine.predict, labelled.texts, f"{engine.manifest.name} on {labelled.name}")
    return probabilities, time.perf_counter() - started


def measure(engine: Engine, labelled: Labelled, probabilities: NDArray[np.float32], seconds: float) -> dict[str, Any]:
    """All figures of one engine on one set of rows, from what `timed_answers` found."""
    temperature, threshold = engine.manifest.temperature, engine.manifest.abstain_threshold
    result = figures(probabilities, labelled.accepted)
    _, _, right = answers(probabilities, labelled.accepted)
    result |= {
        "sha256": labelled.sha256,
        "ece_before_temperature": ece(retempered(probabilities, temperature), right),
        "abstained": float((probabilities.max(axis=1) < threshold).mean()),
        "tweets_per_second": round(len(labelled.texts) / seconds, 1),
        "slices": slices(labelled.texts, probabilities, labelled.accepted),
        "worst": _worst(labelled.texts, probabilities, labelled.accepted),
        "none_of_six": None,
    }
    if labelled.empty:
        title = f"{engine.manifest.name} on {labelled.name}, none of the six"
        confidence = score(engine.predict, labelled.empty, title).max(axis=1)
        result["none_of_six"] = {
            "rows": len(labelled.empty),
            "mean_confidence": float(confidence.mean()),
            "abstained": float((confidence < threshold).mean()),
            "auroc": auroc(probabilities.max(axis=1), confidence),
        }
    return result


def slices(
    texts: Sequence[str], probabilities: NDArray[np.float32], accepted: NDArray[np.bool_]
) -> dict[str, dict[str, Any]]:
    """Figures of the parts of a set that share a trait: one or several accepted labels, length, emoji and the like."""
    several = accepted.sum(axis=1) > 1
    parts = {"one label": ~several, "several labels": several} if several.any() else {}
    parts |= {name: np.asarray([belongs(text) for text in texts]) for name, belongs in _SLICES.items()}
    found = {}
    for name, inside in parts.items():
        if inside.any():
            one = figures(probabilities[inside], accepted[inside])
            wanted = (
                "rows",
                "accuracy",
                "accuracy_95",
                "macro_f1",
                "macro_f1_95",
                "ece",
                "ece_by_chance",
                "mean_confidence",
            )
            found[name] = {key: one[key] for key in wanted}
    return found


def _worst(
    texts: Sequence[str], probabilities: NDArray[np.float32], accepted: NDArray[np.bool_]
) -> list[dict[str, Any]]:
    """The surest wrong answers."""
    given, _, right = answers(probabilities, accepted)
    wrong = np.flatnonzero(~right)
    surest = wrong[np.argsort(-probabilities[wrong].max(1), kind="stable")][:_WORST_SHOWN]
    return [
        {
            "text": excerpt(texts[i]),
            "given": EMOTIONS[given[i]],
            "confidence": float(probabilities[i].max()),
            "accepted": [EMOTIONS[j] for j in np.flatnonzero(accepted[i])],
        }
        for i in surest
    ]
