"""What a follower says of a part that it cannot, or need not, count to its end."""

from datetime import UTC, datetime

import pytest

from worker.counts import bucket_of
from worker.follower import Follower
from worker.settings import KafkaSettings, WorkerSettings

NOW_S = 1_800_000_005.0
WORKER = WorkerSettings(retention_s=3600.0, bucket_s=10.0)


def follower_of_one_part(end: int) -> Follower:
    follower = Follower(KafkaSettings(), WORKER, 1, lambda: NOW_S, lambda: 50.0)
    follower._unread.clear()
    follower._note_ends({0: end})
    return follower


@pytest.mark.parametrize(("looked", "lag"), [((0, 5), 0), ((0, None), 5), ((0, 4), 5), ((1, 5), 5)])
def test_offsets_at_which_no_record_stands_are_no_lag_until_the_part_ends_elsewhere(
    looked: tuple[int, int | None], lag: int
) -> None:
    follower = follower_of_one_part(end=5)
    follower._looked[0] = looked
    assert follower.progress()[0].lag_messages == lag


@pytest.mark.parametrize(("ended_s", "complete"), [(0, True), (3575, True), (3585, False), (3700, False)])
def test_a_window_of_which_only_the_oldest_bucket_has_expired_is_not_complete(ended_s: float, complete: bool) -> None:
    follower = follower_of_one_part(end=0)
    follower._horizon.note((0, bucket_of(NOW_S, WORKER.bucket_s)))
    assert follower.window(60, datetime.fromtimestamp(NOW_S - ended_s, UTC)).complete is complete
