from pathlib import Path

import numpy as np
import pytest

from training.errors import DataUnreadable
from training.words import load_glove


def test_glove_is_read_as_its_own_text_and_as_arrays(tmp_path: Path) -> None:
    vectors = np.random.default_rng(1).normal(size=(2, 100)).astype(np.float16)
    (tmp_path / "glove.txt").write_text(
        "".join(f"{word} {' '.join(map(str, vector))}\n" for word, vector in zip(("the", ","), vectors, strict=True))
    )
    np.savez(tmp_path / "glove.npz", words=np.array("the\n,"), vectors=vectors)
    for name in ("glove.txt", "glove.npz"):
        words, read = load_glove(tmp_path / name)
        assert words == ["the", ","]
        np.testing.assert_array_equal(read, vectors)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("missing.txt", None, r"cannot read GloVe .* wants glove\.6B\.100d\.txt"),
        ("words.txt", "the first word\n", "cannot read GloVe"),
        ("short.txt", "the 0.5 0.25\n", "take those of 100 numbers"),
        ("glove.npz", "not arrays", "cannot read GloVe"),
    ],
)
def test_other_files_are_named(tmp_path: Path, name: str, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataUnreadable, match=said):
        load_glove(tmp_path / name)
