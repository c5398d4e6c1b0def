"""Files that are whole or not there: written beside their place, then renamed into it."""

import errno
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.bundle import MANIFEST_FILE
from training.errors import DiskFull, FolderTaken

_DIGITS_OF_PROCESS = 7
"""Linux has at most 4,194,304 (proc_pid_max)."""


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A path to write to; it takes the place of ``path`` when the block ends well, and goes away when it does not.

    The temporary name keeps the ending of ``path``, by which some libraries choose a format.

    Raises:
        DiskFull: there was no room; ``path`` is as it was before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_left(path)
    beside = path.with_name(f".writing-{os.getpid()}-{path.name}")
    try:
        with named_if_full(path):
            yield beside
            os.replace(beside, path)  # noqa: PTH105 - atomic on one file system (POSIX rename)
    finally:
        beside.unlink(missing_ok=True)


def _remove_left(path: Path) -> None:
    """What a process that was killed left beside ``path``; what is no such file stays, whatever its name is like."""
    ours = re.compile(rf"\.writing-(\d{{1,{_DIGITS_OF_PROCESS}}})-{re.escape(path.name)}")
    for left in path.parent.glob(".writing-*"):
        written = ours.fullmatch(left.name)
        if written and left.is_file() and not _is_alive(int(written[1])):
            left.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        pass
    return True


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """As `replaced`, for a new folder.

    Raises:
        FolderTaken: something is there already.
        DiskFull: there was no room; ``folder`` is as it was before.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderTaken(f"{folder} is there already; name another folder with --out, or remove it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".writing-{os.getpid()}-{folder.name}")
    try:
        with named_if_full(folder):
            shutil.rmtree(beside, ignore_errors=True)  # of a killed one: in a container each has the same number
            beside.mkdir()
            yield beside
            beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Keeps other processes out of a folder while the block runs; the kernel lets go of it however the process ends.

    Raises:
        FolderTaken: another process is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderTaken(f"another process is at work in {folder}; let it end, or name another folder") from None
        except OSError:  # a file system without locks, as some on a network
            pass
        yield
    finally:
        os.close(descriptor)


@contextmanager
def named_if_full(path: Path) -> Iterator[None]:
    """Says what could not be written if the disk fills up inside the block.

    Raises:
        DiskFull: it did.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        if is_full(error):
            raise DiskFull(f"no room to write {path}; free some disk space and run the command again") from error
        raise


_SAYINGS = (
    "no space left",
    "disk quota",
    "file write failed",  # HDF5
    "unexpected pos",  # torch: less was written than it gave
)


def is_full(error: BaseException) -> bool:
    """Whether an error says that the disk or the quota is full; libraries tell it in their own words."""
    told = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    return told or any(words in str(error).lower() for words in _SAYINGS)


def refuse_bundle(folder: Path) -> None:
    """A bundle with a file more than its manifest names would be served by no worker.

    Raises:
        FolderTaken: the folder holds a bundle.
    """
    if (folder / MANIFEST_FILE).exists():
        raise FolderTaken(f"{folder} holds a bundle, which must stay as it is; name another folder with --out")
