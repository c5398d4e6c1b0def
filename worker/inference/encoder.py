"""The transformer engine: OpenVINO on the CPU, several tweets packed in a row; see `training.graphs.encoder_graph`."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from schemas.emotions import EMOTIONS
from worker.inference.bundle import Bundle
from worker.inference.errors import BundleUnfit, RuntimeMissing

GRAPH_FILE = "model.xml"
WEIGHTS_FILE = "model.bin"
ROW_TOKENS = 64
"""Tokens for which a row has room; a longer tweet makes a longer row."""
ROWS_PER_CALL = 32
"""Large calls read the weights seldom; still larger ones gain nothing (ADR 25)."""
_TIME_STEP, _SLOT_STEP = 16, 4
"""The shape of a call is rounded up to multiples of these: OpenVINO keeps about a megabyte for each shape it saw."""
_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
_INT8_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})

Activations = Literal["float", "token", "static"]
"""What int8 weights are multiplied by: floats, or int8 with a scale per token or with scales fixed at the export."""


class EncoderRuntime:
    """One compiled OpenVINO model.

    Args:
        bundle: a verified bundle of an encoder; ``architecture`` holds ``pooling``, ``hidden_size`` and, of an int8
            bundle, ``activations`` (default: float).
        threads: how many calls run at once, each on its own thread.
        flags: instruction sets that choose what runs; default: those of this CPU.

    Raises:
        RuntimeMissing: openvino is not installed.
        BundleUnfit: the manifest does not say how to pool, or names activations that nobody knows.
    """

    def __init__(self, bundle: Bundle, threads: int, flags: frozenset[str] | None = None) -> None:
        pooling, hidden = (bundle.manifest.architecture.get(key) for key in ("pooling", "hidden_size"))
        if pooling not in ("cls", "mean") or not isinstance(hidden, int):
            raise BundleUnfit(
                f"{bundle.folder}: architecture needs pooling (cls or mean) and hidden_size; export again"
            )
        activations, stored = activations_of(bundle), bundle.manifest.precision
        flags = cpu_flags() if flags is None else flags
        self.precision = served_precision(stored, flags, activations)
        self._pools_cls = pooling == "cls"
        core = _openvino().Core()
        core.set_property({"ENABLE_MMAP": False})  # a file that is replaced in place would end the process
        graph = core.read_model(bundle.folder / GRAPH_FILE, bundle.folder / WEIGHTS_FILE)
        if stored == "int8" and self.precision != "int8":
            _remove_fake_quantize(graph)
            _fold_constants(graph)
        options = compile_options(self.precision, threads, activations, hidden, flags)
        self._model = core.compile_model(graph, "CPU", options)
        self._threads = threads
        self._idle = SimpleQueue[Any]()
        for _ in range(threads):
            self._idle.put(self._model.create_infer_request())
        self._calls = ThreadPoolExecutor(threads, thread_name_prefix="encoder")
        # OpenVINO's binding prepares itself in its first call; two threads that make it wait for each other for ever.
        self._call([[0]], [[0]], np.empty((1, len(EMOTIONS)), np.float32))

    def logits(self, token_ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Float32 ``[n, 6]`` in the order of ``token_ids``; each holds at least one."""
        out = np.empty((len(token_ids), len(EMOTIONS)), np.float32)
        rows = packed([len(ids) for ids in token_ids])
        size = min(ROWS_PER_CALL, math.ceil(len(rows) / self._threads))
        parts = (rows[start : start + size] for start in range(0, len(rows), size))
        for _ in self._calls.map(lambda part: self._call(part, token_ids, out), parts):
            pass
        return out

    def _call(
        self, rows: Sequence[Sequence[int]], token_ids: Sequence[Sequence[int]], out: NDArray[np.float32]
    ) -> None:
        """Put the logits of the tweets in ``rows`` into their places of ``out``."""
        request = self._idle.get()
        try:
            request.infer(packed_feed(rows, token_ids, pools_cls=self._pools_cls))
            given = request.get_output_tensor(0).data
            for row, tweets in enumerate(rows):
                out[tweets] = given[row, : len(tweets)]
        finally:
            self._idle.put(request)


def packed_feed(
    rows: Sequence[Sequence[int]], token_ids: Sequence[Sequence[int]], *, pools_cls: bool
) -> dict[str, NDArray[Any]]:
    """The inputs of one call, see `training.graphs.encoder_graph`, for ``rows`` of indices into ``token_ids``."""
    time = _rounded_up(max(sum(len(token_ids[i]) for i in tweets) for tweets in rows), _TIME_STEP)
    slots = _rounded_up(max(map(len, rows)), _SLOT_STEP)
    ids, positions, segments = (np.zeros((len(rows), time), np.int64) for _ in range(3))
    slot_segments = np.zeros((len(rows), slots), np.int64)
    weights = np.zeros((len(rows), slots, time), np.float32)
    for row, tweets in enumerate(rows):
        start = 0
        for slot, index in enumerate(tweets):
            length = len(token_ids[index])
            here = slice(start, start + length)
            ids[row, here] = token_ids[index]
            positions[row, here] = np.arange(length)
            segments[row, here] = slot_segments[row, slot] = slot + 1
            if pools_cls:
                weights[row, slot, start] = 1
            else:
                weights[row, slot, here] = 1 / length
            start += length
    return {
        "token_ids": ids,
        "position_ids": positions,
        "segment_ids": segments,
        "slot_segments": slot_segments,
        "slot_weights": weights,
    }


def _rounded_up(number: int, step: int) -> int:
    return math.ceil(number / step) * step


def packed(lengths: Sequence[int], row_tokens: int = ROW_TOKENS) -> list[list[int]]:
    """Pack texts into rows: bin packing, best fit decreasing (the longest first, each into the fullest row with room).

    Returns for each row the indices of its texts; every index once.
    """
    rows: list[list[int]] = []
    by_room: list[list[int]] = [[] for _ in range(row_tokens + 1)]  # free tokens -> rows
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        length = lengths[index]
        room = next((room for room in range(length, row_tokens + 1) if by_room[room]), None)
        if room is None:
            room, row = max(row_tokens, length), len(rows)
            rows.append([])
        else:
            row = by_room[room].pop()
        rows[row].append(index)
        by_room[room - length].append(row)
    return rows


def activations_of(bundle: Bundle) -> Activations:
    """What the manifest says. Old bundles say ``quantised_activations``, which is a scale per token (ADR 26).

    Raises:
        BundleUnfit: the manifest names others than `Activations`.
    """
    architecture = bundle.manifest.architecture
    named = architecture.get("activations", "token" if architecture.get("quantised_activations") else "float")
    if named not in get_args(Activations):
        raise BundleUnfit(f"{bundle.folder}: activations {named!r} are unknown; upgrade the worker, or export again")
    return cast("Activations", named)


def compile_options(
    precision: str, threads: int, activations: Activations, hidden: int, flags: frozenset[str]
) -> dict[str, str | int]:
    """Options of OpenVINO's CPU plugin: ``threads`` calls at once, each on one thread (ADR 23)."""
    is_bf16 = precision == "bf16" or (activations == "static" and computes_in_bf16(flags))
    return {
        "INFERENCE_PRECISION_HINT": "bf16" if is_bf16 else "f32",
        "NUM_STREAMS": threads,
        "INFERENCE_NUM_THREADS": threads,
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": hidden if activations == "token" else 0,
    }


def served_precision(stored: str, flags: frozenset[str], activations: Activations = "float") -> str:
    """The precision that a CPU with these flags computes in, for weights that are ``stored`` in another (ADR 25, 26).

    A bundle made for fp32 stays in it. int8 weights are multiplied by int8 activations whose scales are found per
    token, or are fixed and the hardware sums such products without overflow. All else is computed in bf16 where the
    hardware does that, else in fp32.
    """
    if stored == "fp32" or activations == "token" or (activations == "static" and computes_in_int8(flags)):
        return stored
    return "bf16" if computes_in_bf16(flags) else "fp32"


def lesser_cpus(stored: str, activations: Activations, flags: frozenset[str]) -> dict[str, frozenset[str]]:
    """Of CPUs with less than these flags that serve such a bundle otherwise: what they lack, and their flags."""

    def way(cpu: frozenset[str]) -> tuple[str, str | int]:
        precision = served_precision(stored, cpu, activations)
        return precision, compile_options(precision, 1, activations, 0, cpu)["INFERENCE_PRECISION_HINT"]

    seen, found = {way(flags)}, {}
    for lacking, none in (("bf16", _BF16_FLAGS), ("bf16 and VNNI", _BF16_FLAGS | _INT8_FLAGS)):
        if (other := way(flags - none)) not in seen:
            seen.add(other)
            found[lacking] = flags - none
    return found


def computes_in_bf16(flags: frozenset[str]) -> bool:
    """Whether the hardware computes in bf16; elsewhere it is emulated, and slower than fp32."""
    return bool(flags & _BF16_FLAGS)


def computes_in_int8(flags: frozenset[str]) -> bool:
    """Whether the hardware sums products of int8 without overflow."""
    return bool(flags & _INT8_FLAGS)


def _remove_fake_quantize(graph: Any) -> None:
    """Leave activations in floats: take out the nodes that round them to int8."""
    for node in graph.get_ordered_ops():
        if node.get_type_name() == "FakeQuantize":
            node.output(0).replace(node.input_value(0))


def _fold_constants(graph: Any) -> None:
    """Convert int8 weights to floats once, instead of in every call."""
    from openvino.passes import ConstantFolding, Manager  # noqa: PLC0415 - as in `_openvino`

    passes = Manager()
    passes.register_pass(ConstantFolding())
    passes.run_passes(graph)


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Instruction sets of this CPU; none where the system does not tell."""
    if not cpuinfo.exists():
        return frozenset()
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split())


def _openvino() -> Any:
    try:
        import openvino  # noqa: PLC0415 - an extra: LSTM bundles are served without it
    except ImportError as error:
        raise RuntimeMissing(
            "this bundle needs OpenVINO, which is not installed: pip install --editable '.[transformer]' in a checkout"
        ) from error
    return openvino
