"""The pages that promise something name tests; each must exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["docs/guarantees.md", "docs/faust.md"])
def test_every_test_that_a_page_names_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:\w+/)*test_\w+\.py)(?:::(\w+))?`", text))
    assert named
    for file, test in named:
        found = [path for path in ROOT.glob("tests/**/test_*.py") if f"/{path.relative_to(ROOT)}".endswith(f"/{file}")]
        assert found, f"{page} names {file}"
        sources = [path.read_text(encoding="utf-8") for path in found]
        assert not test or any(f"def {test}(" in source for source in sources), f"{page} names {file}::{test}"
