"""The pages that promise something name tests; each must exist where they say."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNNAMED_FOLDER = "tests/unit/worker"
"""Where both pages say that tests named without a folder are."""


@pytest.mark.parametrize("page", ["docs/guarantees.md", "docs/faust.md"])
def test_every_test_that_a_page_names_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:\w+/)*test_\w+\.py)(?:::(\w+))?`", text))
    assert named
    for file, test in named:
        path = ROOT / (file if "/" in file else f"{UNNAMED_FOLDER}/{file}")
        assert path.exists(), f"{page} names {file}"
        assert not test or f"def {test}(" in path.read_text(encoding="utf-8"), f"{page} names {file}::{test}"
