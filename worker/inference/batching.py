"""Length buckets: texts of similar length are scored together, so that little is padded."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MOST_ROWS = 32
"""Texts in one call of the runtime at most: larger calls fall out of the CPU's caches and leave other threads idle."""
CALL_TOKENS = 24
"""How many tokens of padding cost as much as a call: 50 us and 5 us a step against 11 us a token (shipped LSTM)."""


def buckets(lengths: Sequence[int]) -> list[NDArray[np.intp]]:
    """Indices into ``lengths``, grouped; every index once, the longest texts first.

    A bucket ends where the padding in it would cost more than another call.
    """
    order = np.argsort(np.asarray(lengths), kind="stable")[::-1]
    found = []
    start, padding = 0, 0
    for place, index in enumerate(order):
        padding += lengths[order[start]] - lengths[index]
        if padding > CALL_TOKENS or place - start == MOST_ROWS:
            found.append(order[start:place])
            start, padding = place, 0
    return [*found, order[start:]] if len(order) else []
