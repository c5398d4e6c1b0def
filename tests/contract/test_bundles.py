"""The bundles of the repository: whole, loadable by this code, and small enough to be cloned."""

from pathlib import Path

import pytest

from worker.inference.engine import load_engine

ROOT = Path(__file__).parents[2] / "bundles"
MOST_MB = {"lstm": 16, "encoder": 30}
MAPS = Path("/proc/self/maps")
"""Files that the kernel reads when their pages are used; the process dies if they shrink meanwhile."""


@pytest.mark.parametrize("name", MOST_MB)
def test_a_shipped_bundle_loads_and_gives_its_golden_answers(name: str) -> None:
    engine = load_engine(ROOT / name, threads=1)
    assert load_engine(ROOT / name, threads=1, flags=frozenset()).precision == "fp32"  # as on a CPU without VNNI
    assert engine.manifest.agreement is not None
    assert engine.manifest.agreement.flipped_by_rebatching == 0
    assert sum(file.stat().st_size for file in (ROOT / name).iterdir()) < MOST_MB[name] * 1_000_000


@pytest.mark.parametrize("name", MOST_MB)
@pytest.mark.skipif(not MAPS.exists(), reason="this system does not tell what is mapped")
def test_files_of_a_loaded_bundle_may_be_replaced_in_place(name: str) -> None:
    engine = load_engine(ROOT / name, threads=1)
    assert f"/bundles/{name}/" not in MAPS.read_text()
    assert engine.predict(["so happy"]).shape == (1, 6)
