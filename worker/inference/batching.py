"""Length buckets: tweets of similar length are scored together, so that little is padded."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

TOKEN_BUDGET = 2048
"""Padded tokens in one call of the runtime at most; more did not get faster and takes memory."""
_STEP = 4


def buckets(lengths: Sequence[int], token_budget: int = TOKEN_BUDGET) -> Iterator[NDArray[np.intp]]:
    """Yield int arrays of indices; every index once, similar lengths together, padded size within the budget."""
    order = np.argsort(np.asarray(lengths), kind="stable")[::-1]
    start = 0
    while start < len(order):
        rows = max(1, token_budget // padded_length(lengths[order[start]]))
        yield order[start : start + rows]
        start += rows


def padded_length(length: int) -> int:
    """The length rounded up to the bucket's edge; at least one step."""
    return max(_STEP, -(-length // _STEP) * _STEP)
