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
from worker.inference.cleaning import clean

ROWS = [Row("so happy", ("joy",), "mine", "train"), Row('he said "no"', ("anger",), "mine", "test")]
RECORDS = [{"body": row.text, "mood": (row.labels or ("",))[0], "part": row.split} for row in ROWS]
COLUMNS = Columns(text="body", label="mood", split="part")


def write(folder: Path, suffix: str) -> Path:
    path = folder / f"mine.{suffix}"
    frame = pd.DataFrame(RECORDS)
    if suffix.startswith("parquet"):
        content = frame.to_parquet()
        path.write_bytes(gzip.compress(content) if suffix.endswith("gz") else content)
    elif suffix == "tsv":
        path.write_text("body\tmood\tpart\n" + "".join("\t".join(record.values()) + "\n" for record in RECORDS))
    elif suffix.startswith("csv"):
        frame.to_csv(path, index=False)
    else:
        path.write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    return path


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "tsv", "jsonl", "parquet", "parquet.gz"])
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


def test_lists_as_pandas_writes_them_into_a_csv_are_several_labels(tmp_path: Path) -> None:
    lists = [["joy", "love"], ["fear"], [], "['it's']"]
    path = tmp_path / "a.csv"
    pd.DataFrame({"text": list("wxyz"), "label": lists}).to_csv(path, index=False)
    wanted = [("joy", "love"), ("fear",), (), ("['it's']",)]
    assert [row.labels for row in read_table(path, Columns())] == wanted
    pd.DataFrame({"text": list("xy"), "label": lists[:2]}).to_parquet(tmp_path / "a.parquet")
    pd.read_parquet(tmp_path / "a.parquet").to_csv(path, index=False)  # arrays of NumPy: no commas
    assert "['joy' 'love']" in path.read_text()
    assert [row.labels for row in read_table(path, Columns())] == wanted[:2]


@pytest.mark.parametrize("labels", ["[null]", '[" ", null]', '" "', "NaN", "[NaN]", '"[null]"', '" | "'])
def test_a_missing_label_is_no_label(tmp_path: Path, labels: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"text": "x", "label": {labels}}}\n{{"text": "y", "label": [null, "joy"]}}\n')
    assert [row.labels for row in read_table(path, Columns(separator="|"))] == [None, ("joy",)]


def test_a_blank_label_without_a_separator_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\nx, \n")
    assert [row.labels for row in read_table(path, Columns())] == [None]


def hugging_face(path: Path, labels: list[object]) -> Path:
    label = {"names": ["sadness", "joy"], "_type": "ClassLabel"}
    feature = {"feature": label} if isinstance(labels[0], list) else label
    table = pa.table({"text": ["a"] * len(labels), "label": labels})
    metadata = {b"huggingface": json.dumps({"info": {"features": {"label": feature}}}).encode()}
    pq.write_table(table.replace_schema_metadata(metadata), path)
    return path


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        ([1, 0], [("joy",), ("sadness",)]),
        ([1, -1, None], [("joy",), None, None]),
        ([[1, 0], [-1, 1], [-1], []], [("joy", "sadness"), ("joy",), None, ()]),
    ],
)
def test_integer_labels_of_a_hugging_face_file_get_their_names(
    tmp_path: Path, labels: list[object], named: list[tuple[str, ...] | None]
) -> None:
    path = hugging_face(tmp_path / "a.parquet", labels)
    assert [row.labels for row in read_table(path, Columns())] == named


def test_names_of_labels_are_read_as_older_versions_write_them_and_other_metadata_is_passed_over(
    tmp_path: Path,
) -> None:
    table = pa.table({"text": ["a"], "label": [[1]]})
    for info, named in (
        ({"features": {"label": [{"names": ["sadness", "joy"], "_type": "ClassLabel"}]}}, ("joy",)),
        ({"features": ["label"]}, ("1",)),
        ({"features": {"label": {"feature": ["ClassLabel"]}}}, ("1",)),
        (None, ("1",)),
    ):
        metadata = {b"huggingface": json.dumps({"info": info}).encode()}
        pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "a.parquet")
        assert [row.labels for row in read_table(tmp_path / "a.parquet", Columns())] == [named]


@pytest.mark.parametrize("wrong", [2, -2])
def test_an_integer_label_without_a_name_is_told(tmp_path: Path, wrong: int) -> None:
    path = hugging_face(tmp_path / "a.parquet", [1, wrong])
    with pytest.raises(DataUnreadable, match=f"row 2, column 'label': label {wrong} has no name"):
        list(read_table(path, Columns()))


@pytest.mark.parametrize(
    ("values", "texts"),
    [([b"caf\xc3\xa9", None], ["caf\u00e9", ""]), ([1.5, float("nan")], ["1.5", ""]), ([7, 8], ["7", "8"])],
)
def test_texts_that_are_no_strings_become_strings(tmp_path: Path, values: list[object], texts: list[str]) -> None:
    pq.write_table(pa.table({"text": values, "label": [b"joy"] * 2}), tmp_path / "a.parquet")
    rows = list(read_table(tmp_path / "a.parquet", Columns()))
    assert [row.text for row in rows] == texts
    assert [row.labels for row in rows] == [("joy",)] * 2


def test_bytes_that_are_no_utf_8_are_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": [b"fine", b"caf\xe9"], "label": ["joy"] * 2}), tmp_path / "a.parquet")
    with pytest.raises(DataUnreadable, match=r"row 2, column 'text': bytes that are not UTF-8"):
        list(read_table(tmp_path / "a.parquet", Columns()))


def test_a_parquet_file_with_a_column_twice_is_named(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["a"])] * 3, names=["text", "label", "text"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataUnreadable, match="several columns 'text'"):
        list(read_table(tmp_path / "a.parquet", Columns()))


def test_a_lone_surrogate_is_cleaned_as_a_tweet_is(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "so \\ud83d happy \\ud83d\\ude00", "label": "joy"}\n')
    (row,) = read_table(path, Columns())
    assert row.text == "so \ufffd happy \U0001f600"
    assert clean(row.text) == clean("so \ud83d happy \U0001f600")


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
        ("a.csv", b'text,label\nx,joy\n"y,joy\nz,joy\n', "row that begins in line 3: unexpected end of data; close"),
        ("a.csv", b'text,label\n"y,joy\n"z",joy\n', "row that begins in line 2: .* close each double quote"),
        ("a.csv", b'text,label\n"x\ny",joy\noh, no,joy\n', "line 4: 3 cells, but the header has 2.*double quotes"),
        ("a.csv", b"text,label\nx\n", "line 2: 1 cells, but the header has 2"),
        (
            "a.tsv",
            b"text\tlabel\nx\n",
            "line 2: 1 cells, but the header has 2; mend the line; quotes mean nothing in a TSV",
        ),
        (
            "a.tsv",
            b'text\tlabel\n"x"\tjoy\n"He said ""hi"" twice"\tjoy\n',
            "line 3, column 'text': a cell in quotes, which mean nothing in a TSV; write it as JSONL or CSV",
        ),
        ("a.csv", b"text,label,text\nx,joy,y\n", "several columns 'text'; rename"),
        ("a.jsonl", b'{"text": "x", "label": "joy"}\nnot json\n', "line 2: no JSON"),
        ("a.jsonl", b'{"text": ' + b"[" * 99_999, "line 1: no JSON"),
        ("a.jsonl", b'{"text": ["x"], "label": "joy"}\n', "row 1, column 'text': list instead of a text"),
        ("a.jsonl", b'{"text": {"a": 1}, "label": "joy"}\n', "row 1, column 'text': dict instead of a text"),
        ("a.jsonl", b"[1]\n", "line 1: list, not an object with text and label; write one a line"),
        ("a.csv", b"text;label\nso fine;joy\n", "a.csv: ';' stands between its cells, not ','"),
        (
            "a.csv",
            b"text,label\nso\rfine,joy\n",
            r"begins in line 2: .*; take carriage returns \(\\r\) out of the cells",
        ),
        ("a.csv", b"x" * 9999 + b",joy\nso fine,fear\n", r"no column 'text'; it has x{200}\.\.\.: name"),
        (
            "a.csv",
            gzip.compress(b"text,label\nx,joy\n", mtime=0),
            "line 1: not in utf-8.*it is gzipped, so let its name end in .gz",
        ),
        ("a.csv", "text,label\nx,joy\n".encode("utf-16"), "line 1: not in utf-8.*: --encoding utf-16"),
        ("a.parquet", b"not parquet", "as Parquet"),
        ("a.csv.gz", b"not gzip", "cannot read"),
        ("a.csv.gz", gzip.compress(b"", mtime=0)[:10] + b"\xff" * 99, "cannot read"),
        ("a.parquet.gz", gzip.compress(b"", mtime=0)[:10] + b"\xff" * 99, "as Parquet"),
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


def test_a_split_column_that_was_named_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\nso happy,joy\n")
    assert [row.split for row in read_table(tmp_path / "a.csv", Columns(split="part"))] == [""]
    with pytest.raises(
        DataUnreadable, match=r"no column 'part'; it has text, label: name the right one with --split-c"
    ):
        list(read_table(tmp_path / "a.csv", Columns(split="part", split_named=True)))


def test_a_cut_off_gzip_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"text,label\n" + b"x,joy\n" * 999)[:-12])
    with pytest.raises(DataUnreadable, match="cannot read"):
        list(read_table(path, Columns()))
