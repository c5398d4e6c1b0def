"""The LSTM engine: ONNX Runtime, float32, several calls at once on a thread each.

Graph contract (``model.onnx``): inputs ``token_ids`` int64 ``[batch, time]``, ``lengths`` int32 ``[batch]``; output
``logits`` float32 ``[batch, 6]``. The LSTM nodes take ``lengths`` as ``sequence_lens``, so padding is never read.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from schemas.emotions import EMOTIONS
from worker.inference.batching import buckets

GRAPH_FILE = "model.onnx"
_LEAST_SEVERITY_ERROR = 3


class LstmRuntime:
    """One ONNX Runtime session.

    Args:
        folder: a verified bundle.
        threads: how many calls run at once. Each keeps to its own thread: two threads that share the steps of one call
            wait for each other at every step.
    """

    precision = "fp32"

    def __init__(self, folder: Path, threads: int) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.enable_mem_pattern = False  # what it would keep for every shape of a call saves no time here
        options.log_severity_level = _LEAST_SEVERITY_ERROR
        self._session = ort.InferenceSession(str(folder / GRAPH_FILE), options, providers=["CPUExecutionProvider"])
        self._calls = ThreadPoolExecutor(threads, thread_name_prefix="lstm")

    def logits(self, token_ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Float32 ``[n, 6]`` in the order of ``token_ids``; each holds at least one."""
        out = np.empty((len(token_ids), len(EMOTIONS)), np.float32)

        def call(indices: NDArray[np.intp]) -> None:
            out[indices] = self._call([token_ids[index] for index in indices])

        for _ in self._calls.map(call, buckets([len(ids) for ids in token_ids])):
            pass
        return out

    def _call(self, token_ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """``token_ids``: the longest first."""
        padded = np.zeros((len(token_ids), len(token_ids[0])), np.int64)
        lengths = np.fromiter(map(len, token_ids), np.int32, len(token_ids))
        for row, ids in enumerate(token_ids):
            padded[row, : len(ids)] = ids
        logits: NDArray[np.float32] = self._session.run(["logits"], {"token_ids": padded, "lengths": lengths})[0]
        return logits
