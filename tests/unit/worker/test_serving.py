"""A new bundle takes the place of the one that labels while the worker runs; one that is unfit does not."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bundles import build_tiny_bundle
from worker.inference.bundle import sha256_of
from worker.inference.engine import Engine, load_engine
from worker.inference.errors import BundleMissing
from worker.serving import Serving


class Watched:
    """A worker's serving of the bundle at a path, and what it said of it."""

    def __init__(self, path: Path) -> None:
        self.began: list[str] = []
        self.loaded: list[Path] = []
        self.refused = 0
        self.serving = Serving(path, self._load, self._changed, self._count)

    def _load(self, folder: Path) -> Engine:
        self.loaded.append(folder)
        return load_engine(folder, threads=1)

    def _changed(self, engine: Engine) -> None:
        self.began.append(engine.manifest.version)

    def _count(self) -> None:
        self.refused += 1

    def look(self, times: int = 2) -> str:
        """The version that labels after so many looks; a change is believed when it stands still for one."""
        for _ in range(times):
            self.serving.look()
        return self.serving.engine.manifest.version


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("bundles")

    def bundle(version: str) -> Path:
        made = folder / version
        return made if made.exists() else build_tiny_bundle(made, seed=int(version), version=version)

    return bundle


def point(link: Path, folder: Path) -> Path:
    """Make the link lead to the folder, in one step."""
    new = link.with_name("new")
    new.symlink_to(folder)
    new.replace(link)
    return link


def test_a_link_to_another_bundle_makes_it_label_and_back(bundles: Callable[[str], Path], tmp_path: Path) -> None:
    link = point(tmp_path / "current", bundles("1"))
    watched = Watched(link)
    assert watched.look() == "1"
    old = watched.serving.engine
    point(link, bundles("2"))
    assert watched.look() == "2"
    text = ["so happy today"]
    assert (watched.serving.engine.predict(text) == load_engine(bundles("2")).predict(text)).all()
    assert (old.predict(text) == load_engine(bundles("1")).predict(text)).all()
    point(link, bundles("1"))
    assert watched.look() == "1"
    assert watched.began == ["1", "2", "1"]


def test_a_bundle_that_is_exported_over_the_old_one_labels(bundles: Callable[[str], Path], tmp_path: Path) -> None:
    folder = shutil.copytree(bundles("1"), tmp_path / "bundle")
    watched = Watched(folder)
    build_tiny_bundle(folder, seed=2, version="2")
    assert watched.look() == "2"


def test_what_has_not_changed_is_not_loaded_again_and_what_is_the_same_does_not_begin_anew(
    bundles: Callable[[str], Path], tmp_path: Path
) -> None:
    link = point(tmp_path / "current", bundles("1"))
    watched = Watched(link)
    watched.look(4)
    assert watched.loaded == [bundles("1")]
    engine = watched.serving.engine
    point(link, shutil.copytree(bundles("1"), tmp_path / "copy"))
    watched.look(4)
    assert watched.loaded == [bundles("1"), tmp_path / "copy"]
    assert watched.serving.engine is engine
    assert watched.began == ["1"]


def test_a_change_is_believed_when_it_has_stood_still_for_one_look(
    bundles: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(bundles("1"), tmp_path / "bundle")
    watched = Watched(folder)
    for second in range(3):
        os.utime(folder / "model.onnx", (second, second))
        assert watched.look(1) == "1"
    assert len(watched.loaded) == 1
    watched.look(1)
    assert len(watched.loaded) == 2


@pytest.mark.parametrize("harm", ["tampered", "cut", "gone", "no graph"])
def test_an_unfit_bundle_is_refused_once_and_the_old_one_goes_on(
    harm: str, bundles: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(bundles("1"), tmp_path / "bundle")
    watched = Watched(folder)
    if harm == "gone":
        shutil.rmtree(folder)
    elif harm == "cut":
        (folder / "manifest.json").write_text("{")
    else:
        (folder / "model.onnx").write_bytes(b"other weights")
    if harm == "no graph":
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["files"]["model.onnx"] = sha256_of(folder / "model.onnx")
        (folder / "manifest.json").write_text(json.dumps(manifest))
    assert watched.look(4) == "1"
    assert watched.refused == 1
    assert watched.serving.engine.predict(["so happy"]).shape == (1, 6)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(bundles("2"), folder)
    assert watched.look() == "2"


def test_a_link_that_changes_during_the_first_load_mixes_no_two_bundles(
    bundles: Callable[[str], Path], tmp_path: Path
) -> None:
    link = point(tmp_path / "current", bundles("1"))

    class Hurried(Watched):
        def _load(self, folder: Path) -> Engine:
            point(link, bundles("2"))
            return super()._load(folder)

    watched = Hurried(link)
    assert watched.began == ["1"]
    assert watched.look(3) == "2"


def test_the_first_bundle_must_be_fit(tmp_path: Path) -> None:
    with pytest.raises(BundleMissing):
        Watched(tmp_path / "none")


def test_a_link_that_leads_to_itself_is_looked_past(bundles: Callable[[str], Path], tmp_path: Path) -> None:
    link = point(tmp_path / "current", bundles("1"))
    watched = Watched(link)
    point(link, link)
    for _ in range(3):
        watched.serving.look()
    assert watched.serving.engine.manifest.version == "1"
