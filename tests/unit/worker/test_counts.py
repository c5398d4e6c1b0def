from hypothesis import given
from hypothesis import strategies as st

from worker.counts import Row, RowKey, bucket_of, count_outcomes, is_newer, new_row, positions, sum_window, topic_ids
from worker.records import Counted, Outcome

BUCKET_S = 10.0


def outcome(offset: int, moment_s: float, label: int | None, partition: int = 0) -> Outcome:
    return Outcome(partition, offset, Counted(moment_s, label, 0.5), None, b"")


def counted(rows: dict[RowKey, Row]) -> list[int]:
    return [sum(row["n"][i] for row in rows.values()) for i in range(6)]


stream = st.lists(st.tuples(st.floats(1000, 1100), st.none() | st.integers(0, 5)), max_size=40)


@given(stream, st.lists(st.integers(1, 7), min_size=1), st.data())
def test_a_crash_between_any_two_row_writes_loses_and_repeats_nothing(
    tweets: list[tuple[float, int | None]], sizes: list[int], data: st.DataObject
) -> None:
    rows: dict[RowKey, Row] = {}
    outcomes = [outcome(offset, moment_s, label) for offset, (moment_s, label) in enumerate(tweets)]
    crashes = data.draw(st.integers(0, 5))
    while positions(rows).get(0, 0) < len(outcomes):
        start = positions(rows).get(0, 0)
        batch = outcomes[start : start + data.draw(st.sampled_from(sizes))]
        writes = count_outcomes(batch, rows, BUCKET_S, lambda _: 0.0)
        if crashes:
            crashes -= 1
            writes = writes[: data.draw(st.integers(0, len(writes)))]
        rows.update(writes)
    assert counted(rows) == [sum(label == i for _, label in tweets) for i in range(6)]
    assert sum(row["d"] for row in rows.values()) == sum(label is None for _, label in tweets)


def test_a_replay_of_counted_tweets_changes_nothing() -> None:
    batch = [outcome(offset, 1000 + offset, offset % 6) for offset in range(30)]
    rows = dict(count_outcomes(batch, {}, BUCKET_S, lambda _: 0.0))
    assert count_outcomes(batch, rows, BUCKET_S, lambda _: 0.0) == []


def test_a_tweet_of_an_expired_bucket_is_left_out() -> None:
    assert count_outcomes([outcome(0, 1000.0, 1)], {}, BUCKET_S, lambda _: 2000.0) == []


def test_a_tweet_counts_as_long_as_its_bucket_is_not_over_at_the_horizon() -> None:
    assert counted(dict(count_outcomes([outcome(0, 1000.0, 1)], {}, BUCKET_S, lambda _: 1005.0))) == [0, 1, 0, 0, 0, 0]


def test_a_row_and_a_window_hold_confidences_abstentions_and_dead_letters() -> None:
    made = [Counted(1000.0, 1, 0.5), Counted(1001.0, 1, 0.25, abstained=True), Counted(1002.0, None)]
    rows = dict(
        count_outcomes([Outcome(0, n, one, None, b"") for n, one in enumerate(made)], {}, BUCKET_S, lambda _: 0)
    )
    total = sum_window(rows, 1005.0, 10.0, BUCKET_S)
    assert (total.counts[1], total.confidence[1], total.abstained, total.dead) == (2, 0.75, 1, 1)


def test_a_batch_of_expired_tweets_moves_the_position_though_it_counts_nothing() -> None:
    rows: dict[RowKey, Row] = dict(count_outcomes([outcome(4, 1000.0, 1)], {}, BUCKET_S, lambda _: 0.0))
    changed = count_outcomes([outcome(5, 1.0, 1), outcome(6, 2.0, 1)], rows, BUCKET_S, lambda _: 900.0)
    assert positions(rows | dict(changed)) == {0: 7}
    assert counted(rows | dict(changed)) == counted(rows)
    assert count_outcomes([outcome(5, 1.0, 1)], rows | dict(changed), BUCKET_S, lambda _: 900.0) == []


def test_the_position_outlives_all_rows_of_a_batch_but_its_newest() -> None:
    rows = dict(count_outcomes([outcome(7, 2000.0, 1), outcome(8, 1000.0, 1)], {}, BUCKET_S, lambda _: 0.0))
    newest = {key: row for key, row in rows.items() if key[1][0] == 2000.0}
    assert positions(newest) == {0: 9}


def test_a_position_tells_the_topic_that_it_is_of() -> None:
    rows = dict(count_outcomes([outcome(0, 1000.0, 1)], {}, BUCKET_S, lambda _: 0.0, "first"))
    rows |= count_outcomes([outcome(1, 1010.0, 1)], rows, BUCKET_S, lambda _: 0.0, "second")
    late = rows | dict(count_outcomes([outcome(2, 1001.0, 1)], rows, BUCKET_S, lambda _: 0.0, "third"))
    before = {(1, bucket_of(1000.0, BUCKET_S)): new_row() | {"o": 4, "done": 4}}
    assert topic_ids(rows | before) == {0: "second", 1: None}
    assert topic_ids(late) == {0: "third"}


def test_rows_only_grow() -> None:
    older, newer = new_row() | {"o": 3, "done": 3}, new_row() | {"o": 9, "done": 9}
    assert is_newer(newer, older)
    assert not is_newer(older, newer)
    assert is_newer(older, None)
    assert not is_newer(older, older | {"done": 4})
    assert is_newer(older, older.copy()), "a row that is written again takes nothing back"


def test_a_window_sums_whole_buckets_of_all_partitions_and_no_older_ones() -> None:
    batches = [[outcome(0, 1000.0, 1), outcome(1, 1055.0, 1)], [outcome(0, 1049.9, 2, partition=1)]]
    rows = {key: row for batch in batches for key, row in count_outcomes(batch, {}, BUCKET_S, lambda _: 0.0)}
    total = sum_window(rows, as_of_s=1059.0, window_s=15.0, bucket_s=BUCKET_S)
    assert total.counts == [0, 1, 1, 0, 0, 0]
    assert (total.since_s, total.window_s) == (1040.0, 20.0)
    assert sum_window(rows, 1059.0, 60.0, BUCKET_S).counts == [0, 2, 1, 0, 0, 0]


@given(st.floats(1.2e9, 2e9))
def test_a_moment_lies_in_its_bucket(moment_s: float) -> None:
    start, _ = bucket_of(moment_s, BUCKET_S)
    assert start <= moment_s < start + BUCKET_S


def test_a_window_that_ended_holds_nothing_newer_and_is_rounded_up() -> None:
    rows = dict(count_outcomes([outcome(0, 1000.0, 1), outcome(1, 1010.0, 2)], {}, BUCKET_S, lambda _: 0.0))
    assert sum_window(rows, 1005.0, 10.0, BUCKET_S).counts == [0, 1, 0, 0, 0, 0]
    assert sum_window(rows, 1015.0, 11.0, BUCKET_S).window_s == 20.0
