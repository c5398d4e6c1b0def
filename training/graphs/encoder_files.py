"""The graph of an encoder as the files of a bundle, in each precision it may be served in."""

import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import openvino as ov
from numpy.typing import NDArray

from training.graphs.encoder_graph import EncoderWeights, build_encoder_graph
from worker.inference.encoder import (
    GRAPH_FILE,
    WEIGHTS_FILE,
    Activations,
    computes_in_bf16,
    computes_in_int8,
    packed,
    packed_feed,
)

Precision = tuple[Literal["int8", "bf16", "fp32"], Activations]
"""What weights are kept in, and what they are multiplied by."""

_ROWS_PER_CALL = 8


def precision_candidates(flags: frozenset[str]) -> tuple[Precision, ...]:
    """What to try, the fastest on such a CPU first, and of equals the smallest (ADR 25 and 26).

    Weights kept for bf16 are no smaller than for fp32, so they are for a CPU that can measure what bf16 changes.
    """
    as_integers: list[Precision] = [("int8", "static"), ("int8", "token")] if computes_in_int8(flags) else []
    if not computes_in_bf16(flags):
        return (*as_integers, ("int8", "float"), ("fp32", "float"))
    return (*as_integers[:1], ("int8", "float"), ("bf16", "float"), ("fp32", "float"))


def graph_files(
    weights: EncoderWeights, precision: Precision, calibration: Sequence[Sequence[int]] = ()
) -> dict[str, bytes]:
    """Name -> content; ``calibration`` are token ids of typical tweets, which give static activations their scales."""
    kept, activations = precision
    is_int8 = kept == "int8"
    if activations == "static":
        calls = _calls(calibration, weights.pooling)
        graph = with_static_activations(build_encoder_graph(weights, int8_tables=True), calls)
    else:
        graph = build_encoder_graph(weights, int8_tables=is_int8, int8_matrices=is_int8)
    with tempfile.TemporaryDirectory() as scratch:
        ov.save_model(graph, f"{scratch}/{GRAPH_FILE}", compress_to_fp16=False)
        return {name: (Path(scratch) / name).read_bytes() for name in (GRAPH_FILE, WEIGHTS_FILE)}


def with_static_activations(graph: ov.Model, calls: Sequence[Any]) -> ov.Model:
    """All linear layers in int8, by NNCF: SmoothQuant (Xiao et al. 2023), ranges and biases from typical ``calls``."""
    os.environ.setdefault("NNCF_CI", "1")  # or it tells its maker of each use
    import nncf  # noqa: PLC0415 - takes seconds

    nncf.set_log_level(logging.ERROR)
    # Attention stays float: the mask, minus a billion, would take all of the range.
    others = [node.get_friendly_name() for node in graph.get_ops() if _is_no_linear_layer(node)]
    return nncf.quantize(
        graph,
        nncf.Dataset(calls),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(calls),
        ignored_scope=nncf.IgnoredScope(names=others),
    )


def _is_no_linear_layer(node: Any) -> bool:
    """Whether it looks up rows of a table, or multiplies what depends on the texts with each other."""
    sources = [given.get_source_output().get_node().get_type_name() for given in node.inputs()]
    return node.get_type_name() == "Gather" or (node.get_type_name() == "MatMul" and "Constant" not in sources)


def _calls(calibration: Sequence[Sequence[int]], pooling: str) -> list[dict[str, NDArray[Any]]]:
    rows = packed([len(ids) for ids in calibration])
    parts = (rows[start : start + _ROWS_PER_CALL] for start in range(0, len(rows), _ROWS_PER_CALL))
    return [packed_feed(part, calibration, pools_cls=pooling == "cls") for part in parts]
