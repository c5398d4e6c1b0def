"""A worker whose model costs nothing: what is left is the edge. Configured by the environment, as ``worker run``."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from schemas.bundle import BundleManifest
from schemas.emotions import EMOTIONS
from worker.inference.bundle import read_bundle
from worker.logging import configure_logging
from worker.service import run_worker
from worker.settings import KafkaSettings, WorkerSettings


class NoModel:
    """Answers every text alike, at once.

    Args:
        manifest: the bundle that it stands in for.
    """

    precision = "none"

    def __init__(self, manifest: BundleManifest) -> None:
        self.manifest = manifest
        self._row = np.linspace(0.01, 0.5, len(EMOTIONS), dtype=np.float32)

    def predict(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Float32 ``[n, 6]``, all rows equal."""
        return self.predict_cleaned(texts)

    def predict_cleaned(self, cleaned: Sequence[str]) -> NDArray[np.float32]:
        """As `predict`."""
        return np.tile(self._row, (len(cleaned), 1))

    def tokens(self, cleaned: str) -> list[str]:
        """The words."""
        return cleaned.split()


def _load(folder: Path, *, threads: int | None = None) -> NoModel:  # noqa: ARG001 - as load_engine
    return NoModel(read_bundle(folder).manifest)


if __name__ == "__main__":
    settings = WorkerSettings()
    configure_logging(settings)
    raise SystemExit(run_worker(KafkaSettings(), settings, _load))
