"""A worker's own folder is no other worker's."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import structlog

from worker.errors import DataFolderTaken

log = structlog.get_logger("worker")


@contextlib.contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Make the folder if need be and hold it (flock(2)); the kernel lets it go however the process ends.

    A folder that cannot be made or locked is not held: it costs the recognition of crashes, of which `CrashJournal`
    tells, and never a tweet.

    Raises:
        DataFolderTaken: another process holds it.
    """
    with contextlib.ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            held.callback(os.close, number)
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataFolderTaken(
                f"another worker uses the data folder {folder.absolute()}; give each its own --data-dir "
                "(WORKER_DATA_DIR)"
            ) from error
        except OSError as error:
            log.debug("the data folder is not held", folder=str(folder), reason=error.strerror)
        yield
