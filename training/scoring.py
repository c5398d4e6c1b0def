"""Many texts through a bundle's engine, with a bar."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.emotions import EMOTIONS
from training.progress import watched

_SLICE = 512
"""Texts that an engine is asked at once: it packs them all into rows before it answers the first."""


def score(
    predict: Callable[[Sequence[str]], NDArray[np.float32]], texts: Sequence[str], title: str
) -> NDArray[np.float32]:
    """What ``predict`` says of each text, float32 ``[n, 6]``, asked in slices."""
    answers = np.empty((len(texts), len(EMOTIONS)), np.float32)
    starts = range(0, len(texts), _SLICE)
    with watched(title, of=len(starts)) as advance:
        for start in starts:
            answers[start : start + _SLICE] = predict(texts[start : start + _SLICE])
            advance("")
    return answers
