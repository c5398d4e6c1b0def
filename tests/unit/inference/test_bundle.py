import os
from pathlib import Path
from typing import Any

import pytest

from tests.bundles import build_tiny_bundle
from worker.inference.bundle import may_be_written, read_bundle
from worker.inference.errors import BundleMissing, BundleUnfit


def test_a_bundle_replaces_a_bundle_or_nothing_and_no_other_folder(tmp_path: Path) -> None:
    folder = build_tiny_bundle(tmp_path / "bundle")
    assert read_bundle(build_tiny_bundle(folder, version="2")).manifest.version == "2"
    (tmp_path / "empty").mkdir()
    assert may_be_written(tmp_path / "empty")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(BundleUnfit, match="mine holds something that is no bundle"):
        build_tiny_bundle(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    assert not may_be_written(tmp_path / "mine" / "thesis.txt")


def test_an_interruption_leaves_the_old_bundle_or_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, rename = build_tiny_bundle(tmp_path / "bundle"), Path.rename

    def interrupted(path: Path, target: Any) -> Path:
        if path.name == "new":
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build_tiny_bundle(folder, version="2")
    assert read_bundle(folder).manifest.version == "1"
    assert list(tmp_path.iterdir()) == [folder]


def test_a_bundle_that_another_process_wrote_meanwhile_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, other, rename = tmp_path / "bundle", build_tiny_bundle(tmp_path / "other"), Path.rename

    def late(path: Path, target: Any) -> Path:
        if path.name == "new" and other.exists():
            rename(other, folder)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", late)
    with pytest.raises(OSError, match="not empty"):
        build_tiny_bundle(folder, version="2")
    assert read_bundle(folder).manifest.version == "1"


def test_what_is_no_plain_file_is_not_read(tmp_path: Path) -> None:
    file = build_tiny_bundle(tmp_path / "bundle") / "model.onnx"
    file.unlink()
    os.mkfifo(file)  # to open it would wait for a writer
    with pytest.raises(BundleMissing, match=r"model\.onnx is missing"):
        read_bundle(file.parent)
    file.unlink()
    file.mkdir()
    with pytest.raises(BundleMissing, match=r"model\.onnx is missing"):
        read_bundle(file.parent)
