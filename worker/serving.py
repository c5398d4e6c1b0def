"""The engine that labels now, and the new bundle that takes its place while the worker runs (ADR 40)."""

from collections.abc import Callable
from pathlib import Path

import structlog

from worker.inference.engine import Engine
from worker.inference.errors import InferenceError

log = structlog.get_logger("worker.serving")

_Signature = tuple[Path, frozenset[tuple[str, int, int]]]
"""Where the path leads, and name, bytes and time (ns) of each file there."""


class Serving:
    """Follows the path of a bundle: what it leads to is loaded beside the engine that labels, and then labels.

    A bundle that is unfit changes nothing: the old one goes on, and the new one is not tried again as it is.

    Args:
        folder: a bundle, or a symbolic link to one.
        load: from a folder to a verified engine; gets where the link leads, which may change while it reads.
        changed: called with each engine that begins to label, the first one included.
        refused: called for each new bundle that is unfit.

    Raises:
        InferenceError: as ``load``, for the first one.
    """

    def __init__(
        self,
        folder: Path,
        load: Callable[[Path], Engine],
        changed: Callable[[Engine], None],
        refused: Callable[[], None],
    ) -> None:
        self._folder, self._load, self._changed, self._refused = folder, load, changed, refused
        self._tried = self._seen = _signature(folder)
        self._engine = load(self._tried[0])
        changed(self._engine)

    @property
    def engine(self) -> Engine:
        """What labels the next batch; ask once for each batch, so that its events name the bundle that made them."""
        return self._engine

    def look(self) -> None:
        """Load what the path leads to if it is another bundle, unchanged since the last look. Blocks."""
        seen, self._seen = self._seen, _signature(self._folder)
        if self._seen != seen or self._seen == self._tried:
            return
        self._tried = self._seen
        try:
            engine = self._load(self._tried[0])
        except BaseException as error:  # noqa: BLE001 - a panic of the tokenizer is no Exception; the stream goes on
            self._refused()
            reason = str(error) if isinstance(error, InferenceError) else repr(error)
            log.error("a new bundle is refused, the old one goes on", folder=str(self._folder), reason=reason)  # noqa: TRY400 - the reason says what to do
            return
        if engine.manifest != self._engine.manifest:
            self._engine = engine
            self._changed(engine)


def _signature(folder: Path) -> _Signature:
    place = folder
    try:
        place = folder.resolve()
        stats = {path.name: path.stat() for path in place.iterdir()}
    except (OSError, RuntimeError):  # it is being replaced, or gone, or a link that leads to itself
        return place, frozenset()
    return place, frozenset((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats.items())
