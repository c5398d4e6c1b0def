"""From a bundle to an engine: verified, warmed up and checked against its golden cases."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from schemas.bundle import BundleManifest
from schemas.emotions import EMOTIONS
from worker.inference.bundle import TOKENIZER_FILE, Bundle, Golden, read_bundle
from worker.inference.cleaning import clean
from worker.inference.encoder import EncoderRuntime
from worker.inference.errors import BundleUnfit, GoldenMismatch, InferenceError
from worker.inference.lstm import LstmRuntime
from worker.inference.tokens import read_tokeniser

GOLDEN_TOLERANCE = {"fp32": 0.01, "bf16": 0.05, "int8": 0.05}
"""Largest change of a probability that another CPU may make; wrong weights or another tokenizer change far more."""


class Engine(Protocol):
    """What labels texts; several threads may ask at once."""

    @property
    def manifest(self) -> BundleManifest:
        """What the bundle says of itself."""

    @property
    def precision(self) -> str:
        """The arithmetic that really runs on this CPU: fp32, bf16 or int8."""

    def predict(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Raw texts to probabilities, float32 ``[n, 6]``; rows sum to 1 and do not depend on each other."""

    def predict_cleaned(self, cleaned: Sequence[str]) -> NDArray[np.float32]:
        """As `predict`, for texts that went through `clean` already."""

    def tokens(self, cleaned: str) -> list[str]:
        """What the model sees of a cleaned text."""


class EngineAround:
    """An engine in front of another one: it says what that one says, but for what a subclass changes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def manifest(self) -> BundleManifest:
        """What the bundle says of itself."""
        return self._engine.manifest

    @property
    def precision(self) -> str:
        """The arithmetic that really runs."""
        return self._engine.precision

    def predict(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Raw texts to probabilities, float32 ``[n, 6]``."""
        return self.predict_cleaned([clean(text) for text in texts])

    def predict_cleaned(self, cleaned: Sequence[str]) -> NDArray[np.float32]:
        """Cleaned texts to probabilities, float32 ``[n, 6]``."""
        return self._engine.predict_cleaned(cleaned)

    def tokens(self, cleaned: str) -> list[str]:
        """What the model sees of a cleaned text."""
        return self._engine.tokens(cleaned)


class Runtime(Protocol):
    """The part that differs between kinds of bundle."""

    @property
    def precision(self) -> str:
        """The arithmetic that really runs."""

    def logits(self, token_ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Float32 ``[n, 6]`` in the order of ``token_ids``; each holds at least one."""


class BundleEngine:
    """Tokenizer, runtime and temperature of one bundle."""

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        self.manifest = bundle.manifest
        self.precision = runtime.precision
        self._runtime = runtime
        self._tokeniser = read_tokeniser(bundle.folder / TOKENIZER_FILE, bundle.manifest.max_tokens)

    def predict(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Raw texts to probabilities, float32 ``[n, 6]``."""
        return self.predict_cleaned([clean(text) for text in texts])

    def predict_cleaned(self, cleaned: Sequence[str]) -> NDArray[np.float32]:
        """Cleaned texts to probabilities, float32 ``[n, 6]``."""
        if not cleaned:
            return np.empty((0, len(EMOTIONS)), np.float32)
        logits = self._runtime.logits(self._tokeniser.ids(cleaned))
        if logits.shape != (len(cleaned), len(EMOTIONS)):
            raise RuntimeError(f"{len(cleaned)} texts gave logits of shape {logits.shape}")
        return softmax(logits / self.manifest.temperature)

    def tokens(self, cleaned: str) -> list[str]:
        """What the model sees of a cleaned text."""
        return self._tokeniser.tokens(cleaned)


def load_engine(
    folder: Path, *, threads: int | None = None, check_golden: bool = True, flags: frozenset[str] | None = None
) -> Engine:
    """Verify a bundle, load it, and check that it answers as it did at export (which also warms it up).

    Args:
        folder: the bundle.
        threads: threads of the runtime; default: the cores that this process may use.
        check_golden: False only while a bundle is made and has no golden cases yet.
        flags: instruction sets of the CPU to serve it as; default: this one's.

    Raises:
        InferenceError: the bundle is missing, tampered with, unfit, or answers otherwise than at export.
    """
    bundle = read_bundle(Path(folder))
    try:
        engine = BundleEngine(bundle, _runtime(bundle, threads or len(os.sched_getaffinity(0)), flags))
    except (InferenceError, MemoryError):
        raise
    except Exception as error:  # each library has its own for what it does not know
        made_with = ", ".join(f"{name} {version}" for name, version in bundle.manifest.libraries.items())
        raise BundleUnfit(
            f"{folder}: graph or tokenizer cannot be loaded ({' '.join(str(error).split())}); it was made with "
            f"{made_with or 'other libraries'}: install those, or export it again"
        ) from error
    if check_golden:
        _check_golden(bundle, engine)
    return engine


def _runtime(bundle: Bundle, threads: int, flags: frozenset[str] | None) -> Runtime:
    if bundle.manifest.kind == "lstm":
        return LstmRuntime(bundle.folder, threads)
    return EncoderRuntime(bundle, threads, flags)


def golden_changes(golden: Sequence[Golden], engine: Engine) -> NDArray[np.float32]:
    """How far the probabilities of each golden case are from those at export, the farthest of the six; ``[cases]``."""
    wanted = np.asarray([case.probabilities for case in golden], np.float32)
    changes: NDArray[np.float32] = np.abs(engine.predict([case.text for case in golden]) - wanted).max(axis=1)
    return changes


def _check_golden(bundle: Bundle, engine: BundleEngine) -> None:
    change = golden_changes(bundle.golden, engine)
    worst = int(change.argmax())
    tolerance = GOLDEN_TOLERANCE[bundle.manifest.precision]
    if not change[worst] <= tolerance:
        raise GoldenMismatch(
            f"{bundle.folder}: golden case {worst} ({bundle.golden[worst].text!r}) differs by {change[worst]:.4f} from "
            f"its export, {tolerance} is allowed; export the bundle again with this release"
        )


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Row-wise softmax, float32 ``[n, 6]``; stable for large logits."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float32] = (shifted / shifted.sum(axis=1, keepdims=True)).astype(np.float32)
    return probabilities
