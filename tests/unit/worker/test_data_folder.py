"""One worker, one data folder."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from worker.data_folder import owned
from worker.errors import DataFolderTaken


def test_a_folder_is_made_held_and_let_go(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    with owned(folder), pytest.raises(DataFolderTaken, match=rf"{folder}; .*--data-dir"), owned(folder):
        pytest.fail("two hold it")
    with owned(folder), owned(tmp_path / "another"):
        assert folder.is_dir()


def test_a_holder_that_is_killed_lets_go(tmp_path: Path) -> None:
    holds = "import sys, pathlib, worker.data_folder as d\nwith d.owned(pathlib.Path(sys.argv[1])): print(), input()"
    with subprocess.Popen(
        [sys.executable, "-c", holds, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(DataFolderTaken), owned(tmp_path):
            pytest.fail("two hold it")
        holder.send_signal(signal.SIGKILL)
        holder.wait(30)
    with owned(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with owned(tmp_path / "file"), owned(tmp_path / "file" / "data"):
        assert (tmp_path / "file").is_file()
