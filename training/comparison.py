"""Two bundles on the same rows, with a paired test."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from training.evaluation import measure, timed_answers
from training.files import refuse_bundle, replaced
from training.labelled import Labelled
from training.metrics import answers, difference_95, mcnemar
from worker.inference.engine import load_engine

JSON_FILE = "comparison.json"
_FIGURES = ("accuracy", "accuracy_95", "macro_f1", "macro_f1_95", "ece", "tweets_per_second")


def compare(first: Path, second: Path, data: Iterable[Labelled], out: Path | None = None) -> dict[str, Any]:
    """Figures of both bundles, the exact McNemar test and the interval of the difference; written to ``out``.

    Returns:
        ``bundles``: name and version of both; ``results``: name of the rows -> ``figures`` (a pair), ``same_label``
        and the test.

    Raises:
        InferenceError: a bundle is missing, unfit or answers otherwise than at export.
        FolderTaken: ``out`` is a bundle.
    """
    if out is not None:
        refuse_bundle(out)
    engines = [load_engine(first), load_engine(second)]
    results: dict[str, Any] = {}
    for labelled in data:
        timed = [timed_answers(engine, labelled) for engine in engines]
        given = [answers(probabilities, labelled.accepted) for probabilities, _ in timed]
        right_a, right_b = given[0][2], given[1][2]
        pair = [measure(engine, labelled, *found) for engine, found in zip(engines, timed, strict=True)]
        results[labelled.name] = {
            "rows": len(labelled.texts),
            "figures": [{name: one[name] for name in _FIGURES} for one in pair],
            "same_label": float((given[0][0] == given[1][0]).mean()),
            "difference": float(right_b.mean() - right_a.mean()),
            "difference_95": difference_95(right_a, right_b),
            **mcnemar(right_a, right_b),
        }
    bundles = [{"name": engine.manifest.name, "version": engine.manifest.version} for engine in engines]
    whole = {"bundles": bundles, "results": results}
    if out is not None:
        with replaced(out / JSON_FILE) as path:
            path.write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return whole
