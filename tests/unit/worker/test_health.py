from types import SimpleNamespace
from typing import Any

import pytest

from tests.apps import WORKER, settle
from worker.app import EmotionApp
from worker.health import Health
from worker.view import CountsView


def health(*, loaded: bool = True, rebalancing: bool = False, recovered: bool = True, caught_up: bool = True) -> Health:
    app: Any = SimpleNamespace(rebalancing=rebalancing, tables=SimpleNamespace(actives_ready=recovered))
    view: Any = SimpleNamespace(caught_up=caught_up)
    return Health(60.0, app, view, engine_loaded=loaded)


def test_a_worker_is_ready_when_nothing_is_missing() -> None:
    assert health().missing() == []
    assert len(Health(60.0).missing()) == 2


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ({"loaded": False}, "bundle"),
        ({"rebalancing": True}, "partitions"),
        ({"recovered": False}, "table"),
        ({"caught_up": False}, "changelog"),
    ],
)
def test_what_is_missing_is_named(lacking: dict[str, bool], said: str) -> None:
    (reason,) = health(**lacking).missing()
    assert said in reason


@pytest.mark.parametrize(("ends", "stuck"), [({0: 12}, True), ({0: 10}, False), ({}, False)])
def test_a_worker_is_stuck_where_nothing_moves_though_there_is_work(
    app: EmotionApp, ends: dict[int, int], stuck: bool
) -> None:
    health = Health(60.0, app, CountsView(WORKER, 4))
    assert health.view is not None
    health.view.note_ends(ends)
    settle(app)
    assert not health.is_stuck()
    app.progress.moved_at -= 61
    health._last_idle_at -= 61
    assert health.is_stuck() is stuck


@pytest.mark.parametrize("what", ["rebalance", "tweet"])
def test_a_worker_that_had_nothing_to_do_for_long_is_not_stuck_when_something_comes(app: EmotionApp, what: str) -> None:
    health = Health(60.0, app, CountsView(WORKER, 4))
    assert health.view is not None
    health.view.note_ends({0: 10})
    settle(app)
    app.progress.moved_at -= 3600
    assert not health.is_stuck()
    if what == "tweet":
        health.view.note_ends({0: 11})
    else:
        vars(app)["rebalancing"] = True
    assert health.stuck_for_s() < 60
    health._last_idle_at -= 61
    assert health.is_stuck()


def test_a_process_that_stood_still_as_a_whole_is_not_stuck(app: EmotionApp) -> None:
    health = Health(60.0, app, CountsView(WORKER, 4))
    assert health.view is not None
    health.view.note_ends({0: 12})
    settle(app)
    app.progress.moved_at -= 3600
    health._last_idle_at -= 3600
    health._looked_at -= 3600
    assert health.stuck_for_s() == 0
    health._last_idle_at -= 61
    assert health.is_stuck(), "it goes on as if it had begun to wait when it woke"


def test_a_batch_that_never_ends_is_work_though_no_record_waits(app: EmotionApp) -> None:
    health = Health(60.0, app, CountsView(WORKER, 4))
    assert health.view is not None
    health.view.note_ends({0: 10})
    settle(app)
    app.progress.batch_began()
    app.progress.moved_at -= 61
    health._last_idle_at -= 61
    assert health.is_stuck()
    app.progress.batch_ended()
    assert not health.is_stuck()
