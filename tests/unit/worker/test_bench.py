import json
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from worker.__main__ import main
from worker.commands.bench.load import make_load, read_texts
from worker.commands.bench.options import LoadOptions
from worker.commands.bench.timing import Spread, quantile
from worker.inference.cleaning import clean


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
    options = ["--tweets", "40", "--runs", "2", "--batch", "8", "--words", "5", "--json", str(target)]
    answer = CliRunner().invoke(main, ["bench", "engine", "--bundle", str(tiny_bundle), *options])
    assert answer.exit_code == 0, answer.output
    written = json.loads(target.read_text())
    assert [figure["what"] for figure in written["figures"]] == ["batches of 8", "5 words, batches of 64"]
    assert written["figures"][0]["spread"]["runs"] == 2
    assert written["machine"]["cores"] >= 1
    assert 0 <= written["load_of_others"] <= 1


def test_a_case_of_bench_scaling_must_be_known() -> None:
    answer = CliRunner().invoke(main, ["bench", "scaling", "--case", "threads=2"])
    assert answer.exit_code == 2
    assert "batch=N, partitions=N, workers=N or backlog=N" in answer.output


def test_the_loads_of_the_runs_have_no_tweet_in_common() -> None:
    loads = LoadOptions(tweets=400, runs=2, texts=None, repeats=0.0, seed=1).loads()
    assert [len(load) for load in loads] == [1600, 400, 400]
    assert len({clean(text) for load in loads for text in load}) == 2400
