from pathlib import Path

import pytest

from schemas.emotions import EMOTIONS
from training.data.labels import USUAL, check_known, read_names, target_of
from training.data.rows import NONE_OF_SIX
from training.errors import DataUnreadable, LabelsUnknown


def test_several_labels_become_equal_shares() -> None:
    target = target_of(["joy", "love"], USUAL)
    assert target is not None
    assert dict(zip(EMOTIONS, target, strict=True)) == {**dict.fromkeys(EMOTIONS, 0), "joy": 0.5, "love": 0.5}


def test_a_row_that_people_found_empty_is_unsure_of_all() -> None:
    assert target_of([], USUAL) == target_of(["neutral"], USUAL) == NONE_OF_SIX


def test_a_mapping_file_may_name_several_emotions_none_of_them_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "names.json"
    path.write_text('{"Bliss": ["joy", "love"], "calm": "none", "boredom": null}')
    names = read_names(path)
    assert target_of(["bliss"], names) == target_of(["joy", "love"], USUAL)
    assert target_of(["calm"], names) == NONE_OF_SIX
    assert target_of(["boredom"], names) is None
    assert target_of(["boredom", "joy"], names) == target_of(["joy"], USUAL)


def test_a_csv_mapping_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_text("label,ours\nbliss,joy\nbliss,love\ncalm,none\nboredom,\n")
    names = read_names(path)
    assert names["bliss"] == ("joy", "love")
    assert (names["calm"], names["boredom"]) == (("none",), ())


@pytest.mark.parametrize("header", ["", "Foreign,ours\n", "label,emotion\n"])
def test_a_header_of_a_csv_mapping_is_no_label(tmp_path: Path, header: str) -> None:
    path = tmp_path / "names.csv"
    path.write_text(f"{header}bliss,joy\n")
    assert read_names(path) == {**USUAL, "bliss": ("joy",)}


def test_unknown_labels_are_listed_with_their_counts_and_none_is_guessed() -> None:
    rows = [("a", ("ennui",)), ("b", ("ennui", "joy")), ("a", ("Awe",)), ("a", None)]
    with pytest.raises(LabelsUnknown, match=r"'ennui' \(2 rows\), 'awe' \(1 rows\); map each with --labels"):
        check_known(rows, USUAL)


@pytest.mark.parametrize(
    ("name", "content", "error", "said"),
    [
        ("a.json", "{", DataUnreadable, "no label mapping"),
        ("a.json", '{"x": "bliss"}', LabelsUnknown, "maps 'x' to 'bliss'"),
        ("a.csv", "bliss,jooy\nboredom,\n", LabelsUnknown, "maps 'bliss' to 'jooy'"),
        ("a.csv", "a,b,c\n", DataUnreadable, "a line of 3 cells"),
        ("missing.json", None, DataUnreadable, "No such file"),
    ],
)
def test_a_wrong_mapping_is_named(
    tmp_path: Path, name: str, content: str | None, error: type[Exception], said: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(error, match=said):
        read_names(path)
