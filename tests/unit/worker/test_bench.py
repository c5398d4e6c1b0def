import json
import re
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from worker.__main__ import main
from worker.commands.bench.load import make_load, read_texts
from worker.commands.bench.machine import commit
from worker.commands.bench.options import LoadOptions
from worker.commands.bench.picture import draw
from worker.commands.bench.report import Measured
from worker.commands.bench.timing import Figure, Spread, quantile
from worker.inference.bundle import read_bundle
from worker.inference.cleaning import clean
from worker.inference.encoder import activations_of, cpu_flags, served_precision
from worker.inference.engine import load_engine
from worker.settings import DEFAULT_BUNDLE


def test_the_same_seed_gives_the_same_load_and_another_seed_another() -> None:
    texts = read_texts()
    assert make_load(texts, 500, repeats=0.3, seed=4) == make_load(texts, 500, repeats=0.3, seed=4)
    assert make_load(texts, 500, seed=4) != make_load(texts, 500, seed=5)


def test_without_repeats_every_tweet_differs_after_cleaning() -> None:
    load = make_load(read_texts(), 2000)
    assert len({clean(text) for text in load}) == len(load) == 2000


def test_repeats_have_the_share_asked_for_and_few_texts_have_most_of_them() -> None:
    load = make_load(read_texts(), 5000, repeats=0.3)
    counts = Counter(load)
    assert 1 - len(counts) / len(load) == pytest.approx(0.3, abs=0.03)
    repeated = sorted((n - 1 for n in counts.values()), reverse=True)
    assert sum(repeated[:10]) > 0.15 * sum(repeated)


def test_texts_come_from_a_file_of_tweets(tmp_path: Path) -> None:
    file = tmp_path / "tweets.csv"
    file.write_text("id,text\n1,so happy\n2,https://example.org\n3,sad day\n")
    assert read_texts(file) == ["so happy", "sad day"]


def test_a_spread_is_the_median_between_the_extremes() -> None:
    assert Spread.of([3.0, 1.0, 2.0, 10.0]) == Spread(2.5, 1.0, 10.0, 4)


@pytest.mark.parametrize(("share", "wanted"), [(0.0, 1), (0.5, 50), (0.99, 99), (1.0, 100)])
def test_a_quantile_is_the_nearest_rank(share: float, wanted: int) -> None:
    assert quantile(list(range(100, 0, -1)), share) == wanted


def test_bench_engine_writes_figures_and_the_machine_s_facts(tiny_bundle: Path, tmp_path: Path) -> None:
    target = tmp_path / "engine.json"
    options = ["--tweets", "64", "--runs", "2", "--batch", "8", "--words", "5", "--json", str(target)]
    answer = CliRunner().invoke(main, ["bench", "engine", "--bundle", str(tiny_bundle), *options])
    assert answer.exit_code == 0, answer.output
    written = json.loads(target.read_text())
    (bundle,) = written["bundles"]
    manifest = read_bundle(tiny_bundle).manifest
    assert bundle == {
        "folder": str(tiny_bundle),
        "name": manifest.name,
        "version": manifest.version,
        "precision": load_engine(tiny_bundle).precision,
    }
    assert f"{bundle['name']} {bundle['version']} in {bundle['precision']}" in answer.output
    assert (written["settings"]["batches"], written["settings"]["lengths"]) == ([8], [5])
    assert {"command", "commit", "measured_at"} <= set(written)
    assert [figure["what"] for figure in written["figures"]] == ["batches of 8", "5 words, batches of 64"]
    assert written["figures"][0]["spread"]["runs"] == 2
    assert written["machine"]["cores"] >= 1
    assert 0 <= written["load_of_others"] <= 1


def test_a_bundle_is_told_with_the_precision_that_this_cpu_serves_it_in() -> None:
    pytest.importorskip("openvino")
    bundle = read_bundle(DEFAULT_BUNDLE.with_name("encoder"))
    served = served_precision(bundle.manifest.precision, cpu_flags(), activations_of(bundle))
    assert Measured.of(bundle.folder).precision == served


@pytest.mark.parametrize("option", ["--json", "--plot"])
def test_where_nothing_can_be_written_nothing_is_measured(tmp_path: Path, option: str) -> None:
    file = tmp_path / "no" / "such" / "file"
    answer = CliRunner().invoke(main, ["bench", "engine", option, str(file)])
    assert answer.exit_code == 2
    assert f"{option}: there is no folder {file.parent}" in answer.output


def test_tweets_that_fill_no_batch_are_not_measured_as_if_they_did() -> None:
    answer = CliRunner().invoke(main, ["bench", "engine", "--tweets", "100", "--batch", "128"])
    assert answer.exit_code == 2
    assert "100 tweets fill no batch of 128" in answer.output


def test_tweets_of_a_length_have_so_many_words_and_differ() -> None:
    load = LoadOptions(tweets=500, runs=1, texts=None, repeats=0.0, seed=1).load(7)
    assert {len(text.split()) for text in load} == {7}
    assert len({clean(text) for text in load}) == 500


def test_a_picture_is_written_whatever_its_name_ends_in(tmp_path: Path) -> None:
    figures = [Figure("a", "ms", Spread.of([1.0, 2.0])), Figure("b", "%", Spread.of([99.0]))]
    draw("what was measured", figures, tmp_path / "picture")
    assert (tmp_path / "picture").read_bytes().startswith(b"\x89PNG")


def test_the_commit_is_that_of_the_checkout() -> None:
    head = Path(__file__).parents[3] / ".git"
    assert re.fullmatch("[0-9a-f]{40}(-dirty)?", commit() or "") if head.exists() else commit() is None


def test_a_case_of_bench_scaling_must_be_known() -> None:
    answer = CliRunner().invoke(main, ["bench", "scaling", "--case", "threads=2"])
    assert answer.exit_code == 2
    assert "batch=N, words=N, partitions=N, workers=N or backlog=N" in answer.output


def test_the_loads_of_the_runs_have_no_tweet_in_common() -> None:
    loads = LoadOptions(tweets=400, runs=2, texts=None, repeats=0.0, seed=1).loads()
    assert [len(load) for load in loads] == [1600, 400, 400]
    assert len({clean(text) for load in loads for text in load}) == 2400
