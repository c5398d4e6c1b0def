import gzip
import io
import json
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from worker.commands.produce import paced, repeated
from worker.commands.reading import BAD_SAMPLES, SAMPLES, Columns, Item, format_of, read_items
from worker.decode import Failure, Tweet, decode
from worker.inference.cleaning import clean, has_words


def items_of(path: Path, columns: Columns | None = None) -> list[Item]:
    return list(read_items(str(path), columns or Columns()))


def test_lines_go_as_they_are_and_blank_ones_do_not(tmp_path: Path) -> None:
    path = tmp_path / "tweets.jsonl"
    path.write_bytes(b'{"id": "7", "text": "hi"}\r\n\n  \nplain words\n{"cut\n\xff\xfe not utf-8')
    assert items_of(path) == [
        Item(b"7", b'{"id": "7", "text": "hi"}'),
        Item(None, b"plain words"),
        Item(None, b'{"cut'),
        Item(None, b"\xff\xfe not utf-8"),
    ]


def test_a_byte_order_mark_belongs_to_the_file_and_not_to_its_first_tweet(tmp_path: Path) -> None:
    path = tmp_path / "tweets.jsonl"
    path.write_text('{"id": 7, "text": "hi"}\n\ufeffhello\n', encoding="utf-8-sig")
    assert items_of(path) == [Item(b"7", b'{"id": 7, "text": "hi"}'), Item(None, "\ufeffhello".encode())]


def test_a_field_inside_objects_can_key_the_records(tmp_path: Path) -> None:
    path = tmp_path / "tweets.jsonl"
    path.write_text('{"id": 1, "user": {"id_str": "42"}}\n{"id": 2, "user": 5}\n{"id": 3, "user": {"id_str": null}}\n')
    assert [item.key for item in items_of(path, Columns(key="user.id_str"))] == [b"42", None, None]
    assert [item.key for item in items_of(path)] == [b"1", b"2", b"3"]


def test_a_csv_keeps_line_breaks_and_all_columns(tmp_path: Path) -> None:
    path = tmp_path / "tweets.csv"
    path.write_text('\ufefftweet_id,body,airline\n9,"two\nlines, one tweet",Acme\n', encoding="utf-8")
    (item,) = items_of(path, Columns(text="body"))
    assert item.key == b"9"
    assert json.loads(item.value) == {"id": "9", "text": "two\nlines, one tweet", "airline": "Acme"}


def test_a_column_asked_for_wins_over_a_usual_name(tmp_path: Path) -> None:
    path = tmp_path / "tweets.tsv"
    path.write_text('tweet_id\tnumber\ttext\n9\t8\tsays "hi\n')
    (item,) = items_of(path, Columns(id="number"))
    assert json.loads(item.value) == {"tweet_id": "9", "id": "8", "text": 'says "hi'}


@pytest.mark.parametrize("columns", [Columns(text="words"), Columns(key="author")])
def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path: Path, columns: Columns) -> None:
    path = tmp_path / "tweets.csv"
    path.write_text("id,text\n1,hello\n")
    with pytest.raises(click.ClickException, match=r"no column '(words|author)'; the file has id, text"):
        items_of(path, columns)


def test_times_of_a_table_are_read_as_the_user_says(tmp_path: Path) -> None:
    path = tmp_path / "tweets.csv"
    path.write_text("text,tweet_created\nhello,2/24/2015 11:35\nbye,\n")
    first, second = items_of(path, Columns(time_format="%m/%d/%Y %H:%M"))
    assert json.loads(first.value)["created_at"] == "2015-02-24T11:35:00+00:00"
    assert json.loads(second.value)["created_at"] == ""
    with pytest.raises(click.ClickException, match=r"line 2: time data '2/24/2015 11:35' .* mend --time-format"):
        items_of(path, Columns(time_format="%Y"))


def test_gzip_is_seen_from_the_bytes_not_from_the_name(tmp_path: Path) -> None:
    path = tmp_path / "tweets.csv"
    path.write_bytes(gzip.compress(b"id,text\n1,hello\n"))
    assert [json.loads(item.value)["text"] for item in items_of(path)] == ["hello"]


def test_standard_input_may_be_gzipped_too(monkeypatch: pytest.MonkeyPatch) -> None:
    piped = io.BufferedReader(io.BytesIO(gzip.compress(b"one\ntwo\n")))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=piped))
    assert [item.value for item in read_items("-", Columns())] == [b"one", b"two"]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    torn = tmp_path / "torn.gz"
    torn.write_bytes(gzip.compress(b"words " * 1000)[:-20])
    for path in (torn, tmp_path / "none", tmp_path):
        with pytest.raises(click.ClickException, match=f"cannot read {path}"):
            items_of(path)


@pytest.mark.parametrize(
    ("path", "form"), [("a.csv", "csv"), ("a.CSV.gz", "csv"), ("a.tsv", "tsv"), ("a.jsonl.gz", "lines"), ("-", "lines")]
)
def test_the_format_follows_the_name(path: str, form: str) -> None:
    assert format_of(path) == form


class FakeTime:
    def __init__(self) -> None:
        self.now_s = 100.0

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def test_the_rate_is_kept_over_many_tweets() -> None:
    time, items = FakeTime(), [Item(None, b"x")] * 51
    assert len(list(paced(items, 10.0, time.clock, time.sleep))) == 51
    assert time.now_s == pytest.approx(105.0)


def test_after_a_pause_the_rate_does_not_make_up_for_minutes() -> None:
    time = FakeTime()
    moments = []
    for number, _ in enumerate(paced([Item(None, b"x")] * 40, 10.0, time.clock, time.sleep)):
        moments.append(time.now_s)
        if number == 5:
            time.now_s += 600
    assert sum(moment == moments[6] for moment in moments) <= 12
    assert moments[-1] > moments[6] + 2


def test_the_sample_tweets_are_read_and_have_words() -> None:
    tweets = [decode(item.value, max_text_chars=25_000) for item in items_of(SAMPLES)]
    assert len(tweets) >= 300
    for tweet in tweets:
        assert not isinstance(tweet, Failure)
        assert has_words(clean(tweet.text)), tweet.text
    texts = [tweet.text for tweet in tweets if not isinstance(tweet, Failure)]
    assert len(set(texts)) == len(texts)


def test_the_bad_samples_all_become_dead_letters_for_different_reasons() -> None:
    reasons = set()
    for item in items_of(BAD_SAMPLES):
        read = decode(item.value, max_text_chars=25_000)
        reasons.add(read.reason if isinstance(read, Failure) else "no_words" if not has_words(clean(read.text)) else "")
    assert "" not in reasons
    assert len(reasons) >= 5


def test_reading_is_lazy_so_that_endless_input_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "tweets.jsonl"
    path.write_text("one\ntwo\nthree\n")
    assert [item.value for item in islice(read_items(str(path), Columns()), 2)] == [b"one", b"two"]


@pytest.mark.parametrize(
    ("columns", "key", "tweet"),
    [
        (Columns(text="body"), b"1", {"id": "1", "text": "wanted"}),
        (Columns(text="body", id="number"), b"7", {"id": "7", "text": "wanted"}),
        (Columns(text="id"), None, {"text": "1", "body": "wanted"}),
    ],
)
def test_a_column_asked_for_wins_over_one_that_has_its_name(
    tmp_path: Path, columns: Columns, key: bytes | None, tweet: dict[str, str]
) -> None:
    path = tmp_path / "tweets.csv"
    path.write_text("id,number,body,text\n1,7,wanted,another\n", encoding="utf-8")
    (item,) = items_of(path, columns)
    assert item.key == key
    assert json.loads(item.value) == tweet | {name: "7" for name in ("number",) if columns.id != name}


def test_a_file_is_repeated_unless_it_is_empty() -> None:
    assert list(islice(repeated(lambda: [Item(None, b"a"), Item(None, b"b")]), 5)) == [
        Item(None, value) for value in (b"a", b"b", b"a", b"b", b"a")
    ]
    assert list(repeated(list)) == []


def test_a_gzip_file_with_damage_inside_is_named(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(b"so happy\n" * 1000, mtime=0))
    content[12:16] = b"\xff\xff\xff\xff"
    (tmp_path / "tweets.gz").write_bytes(content)
    with pytest.raises(click.ClickException, match=r"cannot read .*tweets\.gz"):
        list(read_items(str(tmp_path / "tweets.gz"), Columns()))


def test_a_column_that_somebody_named_must_be_there(tmp_path: Path) -> None:
    path = tmp_path / "tweets.csv"
    path.write_text("id,text\n1,so happy\n")
    assert len(items_of(path, Columns(created_at="posted"))) == 1
    with pytest.raises(click.ClickException, match="no column 'posted'; the file has id, text"):
        items_of(path, Columns(created_at="posted", named=frozenset({"created_at"})))


@pytest.mark.parametrize(
    "columns", [Columns(text="body", named=frozenset({"text"})), Columns(time_format="%Y")], ids=["column", "time"]
)
def test_a_column_has_no_meaning_in_lines(tmp_path: Path, columns: Columns) -> None:
    path = tmp_path / "tweets.jsonl"
    path.write_text('{"id": 1, "body": "so happy"}\n')
    with pytest.raises(click.ClickException, match="lines go as they are"):
        items_of(path, columns)


def test_no_other_column_is_read_instead_of_the_one_that_was_named(tmp_path: Path) -> None:
    path = tmp_path / "tweets.csv"
    path.write_text("id_str,my_id,full_text,clean_text,user\n111,mine-1,I hate it,I love it,bob\n")
    (item,) = items_of(path, Columns(text="clean_text", id="my_id"))
    tweet = decode(item.value, max_text_chars=100)
    assert isinstance(tweet, Tweet)
    assert (item.key, tweet.id, tweet.text) == (b"mine-1", "mine-1", "I love it")
