from types import SimpleNamespace
from typing import Any

import pytest

from worker.health import Health


def health(*, loaded: bool = True, rebalancing: bool = False, recovered: bool = True, caught_up: bool = True) -> Health:
    app: Any = SimpleNamespace(rebalancing=rebalancing, tables=SimpleNamespace(actives_ready=recovered))
    follower: Any = SimpleNamespace(caught_up=caught_up)
    return Health(60.0, app, follower, engine_loaded=loaded)


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
