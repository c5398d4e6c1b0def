from hypothesis import given
from hypothesis import strategies as st

from worker.inference.batching import CALL_TOKENS, MOST_ROWS, buckets

LENGTHS = st.lists(st.integers(1, 64), max_size=300)


@given(LENGTHS)
def test_every_text_is_in_one_bucket_of_like_lengths(lengths: list[int]) -> None:
    found = buckets(lengths)
    assert sorted(index for bucket in found for index in bucket) == list(range(len(lengths)))
    for bucket in found:
        inside = [lengths[index] for index in bucket]
        assert inside == sorted(inside, reverse=True)
        assert len(inside) <= MOST_ROWS
        assert sum(inside[0] - length for length in inside) <= CALL_TOKENS


def test_a_bucket_ends_only_where_the_next_text_would_cost_more_than_a_call() -> None:
    assert [len(bucket) for bucket in buckets([30] * 5 + [29] * 5)] == [10]
    assert [len(bucket) for bucket in buckets([60, 5, 5])] == [1, 2]
    assert [len(bucket) for bucket in buckets([7] * (MOST_ROWS + 1))] == [MOST_ROWS, 1]


def test_no_texts_make_no_bucket() -> None:
    assert buckets([]) == []
