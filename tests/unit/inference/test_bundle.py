from pathlib import Path

import pytest

from tests.bundles import build_tiny_bundle
from worker.inference.bundle import may_be_written, read_bundle
from worker.inference.errors import BundleUnfit


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
