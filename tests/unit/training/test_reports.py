import json
import warnings
from pathlib import Path

import pytest
from click.testing import CliRunner

from schemas.emotions import EMOTIONS
from training.__main__ import main
from training.data.labels import USUAL
from training.data.tables import Columns
from training.evaluation import evaluate
from training.labelled import from_file
from training.reports.evaluation import _large
from training.reports.plots import interval_plot

SCRIPT = "<script>alert(1)</script> @you #tag http://x.y :) "
BOOK = "@you #tag http://x.y :) " + "word " * 100_000


def write(path: Path, first: str) -> Path:
    texts = [f"{first} so {emotion} on day {day}" for emotion in EMOTIONS for day in range(30)]
    labels = [emotion for emotion in EMOTIONS for _ in range(30)]
    rows = (json.dumps({"text": text, "label": label}) for text, label in zip(texts, labels, strict=True))
    path.write_text("\n".join(rows) + "\n")
    return path


def test_a_report_escapes_texts_and_names_quotes_no_book_and_has_room_for_every_name(tmp_path: Path) -> None:
    names = [
        "_mine",
        "with <b> & $x$",
        *(f"{n} rows of a team that gives its files the longest names" for n in range(9)),
    ]
    rows = [option for name in names for option in ("--rows", write(tmp_path / f"{name}.jsonl", SCRIPT + name))]
    book = write(tmp_path / "book.jsonl", BOOK)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # matplotlib: no room for the axes, no legend for a name
        arguments = ["prepare", *rows, "--rows", book, "--out", tmp_path / "out"]
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<b>" not in page.replace('<div class="tile"><b>', "")
    lengths = page[page.index("Words a text by source") : page.index("Languages")]
    for name in ("_mine", "with &lt;b&gt; &amp; $x$", "0 rows of a team tha…ngest names", "share of texts"):
        assert name in lengths
    assert len(page) < 300_000
    assert (tmp_path / "out" / "report.json").stat().st_size < 100_000


def test_an_evaluation_quotes_no_book(tiny_bundle: Path, tmp_path: Path) -> None:
    rows = from_file(write(tmp_path / "book.jsonl", BOOK), Columns(), USUAL)
    whole = evaluate(tiny_bundle, [rows], tmp_path / "out")
    (one,) = whole["results"].values()
    assert {len(error["text"]) for error in one["worst"]} == {501}
    assert (tmp_path / "out" / "evaluation.html").stat().st_size < 200_000


@pytest.mark.parametrize(("rows", "drawn"), [((9, 10), ["large"]), ((9, 9), ["small", "large"])])
def test_slices_of_a_few_rows_are_drawn_only_where_there_are_no_others(rows: tuple[int, int], drawn: list[str]) -> None:
    slices = {
        name: {"rows": n, "accuracy": 1.0, "accuracy_95": [1.0, 1.0]}
        for name, n in zip(("small", "large"), rows, strict=True)
    }
    plot = interval_plot(_large(slices), "Slices", overall=0.9)
    assert [name for name in slices if f">{name} (" in plot] == drawn


def test_ticks_are_told_as_they_are_where_they_are_not_whole() -> None:
    plot = interval_plot({"all": {"rows": 9, "accuracy": 0.9, "accuracy_95": [0.8, 1.0]}}, "Slices", overall=0.9)
    assert ">82.5 %<" in plot
    assert ">90 %<" in plot
