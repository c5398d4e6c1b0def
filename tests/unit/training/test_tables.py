import gzip
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from training.data.rows import Row
from training.data.tables import Columns, read_table
from training.errors import DataUnreadable

ROWS = [Row("so happy", ("joy",), "mine", "train"), Row('he said "no"', ("anger",), "mine", "test")]
RECORDS = [{"body": row.text, "mood": (row.labels or ("",))[0], "part": row.split} for row in ROWS]
COLUMNS = Columns(text="body", label="mood", split="part")


def write(folder: Path, suffix: str) -> Path:
    path = folder / f"mine.{suffix}"
    frame = pd.DataFrame(RECORDS)
    if suffix == "parquet":
        frame.to_parquet(path)
    elif suffix == "tsv":
        path.write_text("body\tmood\tpart\n" + "".join("\t".join(record.values()) + "\n" for record in RECORDS))
    elif suffix.startswith("csv"):
        frame.to_csv(path, index=False)
    else:
        path.write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    return path


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "tsv", "jsonl", "parquet"])
def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path, suffix: str) -> None:
    assert list(read_table(write(tmp_path, suffix), COLUMNS)) == ROWS


def test_labels_may_be_lists_or_stand_in_one_cell(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"text": "x", "labels": ["joy", "love"]}\n{"text": "y", "labels": []}\n{"text": "z", "label": null}\n'
    )
    assert [row.labels for row in read_table(path, Columns())] == [("joy", "love"), (), None]
    path = tmp_path / "a.csv"
    path.write_text("text,label\nx,joy|love\ny,\n")
    assert [row.labels for row in read_table(path, Columns(separator="|"))] == [("joy", "love"), None]


def test_integer_labels_of_a_hugging_face_file_get_their_names(tmp_path: Path) -> None:
    features = {"label": {"names": ["sadness", "joy"], "_type": "ClassLabel"}}
    table = pa.table({"text": ["a", "b"], "label": [1, 0]})
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "a.parquet")
    assert [row.labels for row in read_table(tmp_path / "a.parquet", Columns())] == [("joy",), ("sadness",)]


def test_an_encoding_that_does_not_fit_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    path.write_bytes("text,label\nplain,joy\nthis caf\u00e9,joy\n".encode("latin-1"))
    with pytest.raises(DataUnreadable, match=r"old\.csv, line 3: not in utf-8.*--encoding"):
        list(read_table(path, Columns()))
    assert [row.text for row in read_table(path, Columns(encoding="latin-1"))] == ["plain", "this caf\u00e9"]
    path.write_text("text,label\nwide,joy\n", encoding="utf-16")
    assert [row.text for row in read_table(path, Columns(encoding="utf-16"))] == ["wide"]
    with pytest.raises(DataUnreadable, match="unknown encoding"):
        list(read_table(path, Columns(encoding="latin-99")))


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\nhello,joy\n", encoding="utf-8-sig")
    assert [row.text for row in read_table(path, Columns())] == ["hello"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "a.csv",
            b"body,label\nx,joy\n",
            "no column 'text'; it has body, label: name the right one with --text-column",
        ),
        ("a.csv", b"text,mood\nx,joy\n", "no column 'label'.*--label-column"),
        ("a.csv", b"text,label,split\nx,joy,third\n", "row 1: split 'third'"),
        ("a.jsonl", b'{"text": "x", "label": "joy"}\nnot json\n', "line 2: no JSON"),
        ("a.jsonl", b"[1]\n", "line 1: list, not an object"),
        ("a.parquet", b"not parquet", "as Parquet"),
        ("a.csv.gz", b"not gzip", "cannot read"),
        ("a.docx", b"", "none of .csv"),
    ],
)
def test_a_file_that_does_not_fit_is_named_with_what_to_do(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataUnreadable, match=said):
        list(read_table(path, Columns()))


def test_a_cut_off_gzip_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"text,label\n" + b"x,joy\n" * 999)[:-12])
    with pytest.raises(DataUnreadable, match="cannot read"):
        list(read_table(path, Columns()))
