"""For how long what waits is said to have waited."""

from worker.waiting import Waiting


def test_what_has_waited_for_hours_costs_little_memory() -> None:
    waiting = Waiting(0.0)
    for moment in range(10_000):
        waiting.reached(moment + 1, float(moment))
    assert len(waiting._ends) <= 256
    assert waiting.since_s(0, 10_000.0) == 10_000
    assert 4_850 < waiting.since_s(5_000, 10_000.0) <= 5_000


def test_after_a_long_backlog_what_waits_a_moment_is_not_late() -> None:
    waiting = Waiting(0.0)
    for moment in range(3_600):
        waiting.reached(moment + 1, float(moment))
    late_s = []
    for moment in range(3_600, 4_200):
        waiting.reached(moment + 1, float(moment))
        late_s.append(waiting.since_s(moment, float(moment)))
    assert max(late_s) < 60, "lag 0 was never seen"
