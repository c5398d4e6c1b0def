"""The LSTM engine: ONNX Runtime, float32.

Graph contract (``model.onnx``): inputs ``token_ids`` int64 ``[batch, time]``, ``lengths`` int32 ``[batch]``; output
``logits`` float32 ``[batch, 6]``. The LSTM nodes take ``lengths`` as ``sequence_lens``, so padding is never read.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from worker.inference.batching import buckets, padded_length

GRAPH_FILE = "model.onnx"
_LEAST_SEVERITY_ERROR = 3


class LstmRuntime:
    """One ONNX Runtime session.

    Args:
        folder: a verified bundle.
        threads: threads of the session; they sleep, not spin, when idle.
    """

    precision = "fp32"

    def __init__(self, folder: Path, threads: int) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = _LEAST_SEVERITY_ERROR
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(str(folder / GRAPH_FILE), options, providers=["CPUExecutionProvider"])

    def logits(self, token_ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Float32 ``[n, 6]`` in the order of ``token_ids``; each holds at least one."""
        lengths = [len(ids) for ids in token_ids]
        out = np.empty((len(token_ids), 6), np.float32)
        for indices in buckets(lengths):
            ids = np.zeros((len(indices), padded_length(lengths[indices[0]])), np.int64)
            for row, index in enumerate(indices):
                ids[row, : lengths[index]] = token_ids[index]
            feed = {"token_ids": ids, "lengths": np.asarray([lengths[i] for i in indices], np.int32)}
            out[indices] = self._session.run(["logits"], feed)[0]
        return out
