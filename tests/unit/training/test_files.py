import errno
import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from training.__main__ import main
from training.errors import DiskFull
from training.files import replaced, replaced_folder

FULL = Path("/dev/full")


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "kept.txt"
    path.write_text("before")

    def interrupted() -> None:
        with replaced(path) as beside:
            beside.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert path.read_text() == "before"
    ended = subprocess.Popen(["true"])
    ended.wait()
    (tmp_path / f".writing-{ended.pid}-kept.txt").write_text("by a process that was killed")
    theirs = tmp_path / f".writing-{os.getppid()}-kept.txt"
    theirs.write_text("by a process that writes the same file now")
    with replaced(path) as beside:
        beside.write_text("after")
    assert {p.name for p in tmp_path.iterdir()} == {"kept.txt", theirs.name}
    assert path.read_text() == "after"


def test_what_is_named_nearly_as_our_own_temporary_files_stays(tmp_path: Path) -> None:
    path = tmp_path / "kept.txt"
    ended = subprocess.Popen(["true"])
    ended.wait()
    (tmp_path / f".writing-{ended.pid}-kept.txt").mkdir()
    for name in (".writing-old-kept.txt", f".writing-{10**30}-kept.txt", f".writing-{ended.pid}-2-kept.txt"):
        (tmp_path / name).write_text("somebody's own")
    before = {p.name for p in tmp_path.iterdir()}
    with replaced(path) as beside:
        beside.write_text("after")
    assert {p.name for p in tmp_path.iterdir()} == before | {"kept.txt"}


def test_a_folder_is_written_where_a_killed_process_of_the_same_number_left_one(tmp_path: Path) -> None:
    (tmp_path / f".writing-{os.getpid()}-made").mkdir()
    (tmp_path / f".writing-{os.getpid()}-made" / "half").touch()
    with replaced_folder(tmp_path / "made") as beside:
        (beside / "whole").touch()
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")] == ["made", "made/whole"]


def test_a_full_disk_is_told_as_such_and_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "kept.txt"
    path.write_text("before")
    with pytest.raises(DiskFull, match=r"no room to write .*kept\.txt; free some disk space"), replaced(path):
        FULL.write_text("anything")
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["kept.txt"]


def test_a_command_on_a_full_disk_ends_with_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import training.data.prepare as steps  # noqa: PLC0415 - what is replaced

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(steps, "prepare", full)
    (tmp_path / "a.jsonl").write_text("")
    result = CliRunner().invoke(main, ["prepare", "--rows", str(tmp_path / "a.jsonl"), "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert "free some disk space" in result.output
