"""The pages that promise something name tests; each must exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["docs/guarantees.md", "docs/faust.md"])
def test_every_test_that_a_page_names_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    sources = {file.name: file.read_text(encoding="utf-8") for file in ROOT.glob("tests/**/test_*.py")}
    named = set(re.findall(r"`(?:tests/\w+/)?(?:\w+/)*(test_\w+\.py)(?:::(test_\w+))?`", text))
    assert named
    for file, test in named:
        assert file in sources, f"{page} names {file}"
        assert f"def {test}" in sources[file], f"{page} names {file}::{test}"
