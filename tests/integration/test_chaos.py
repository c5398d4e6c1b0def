"""A short run of ``python -m tests.chaos``: what the long ones do, in under a minute."""

from pathlib import Path

import pytest
from rich.console import Console

from tests.bundles import build_tiny_bundle
from tests.chaos.driver import Driver, Stage
from tests.chaos.load import Load
from tests.chaos.scenario import Act, Scenario, Step
from tests.stream import Stream
from worker.brokers import LocalBroker

pytestmark = [pytest.mark.integration, pytest.mark.slow_on_apache]

SHORT = Scenario(
    alone=(Step(Act.KILL, when_ready=True, after_s=1.0, member=0, bundle=1),),
    together=(
        Step(Act.JOIN, when_ready=True, after_s=0.2, member=0, bundle=0),
        Step(Act.SWAP, when_ready=True, after_s=0.2, member=1, bundle=1),
        Step(Act.KILL, when_ready=True, after_s=0.5, member=0, bundle=1),
        Step(Act.LEAVE, when_ready=True, after_s=0.5, member=1, bundle=0),
    ),
)


@pytest.mark.timeout(300)
def test_a_stream_that_is_broken_at_random_keeps_every_promise(
    stream: Stream, broker: LocalBroker, tiny_bundle: Path, tmp_path: Path
) -> None:
    bundles = (tiny_bundle, build_tiny_bundle(tmp_path / "other", seed=8, version="2"))
    stage = Stage(broker, stream.kafka, stream.worker, bundles, tmp_path, Console())
    load = Load(stream.kafka, seed=1, count=6000, rate=200.0)
    report = Driver(stage, SHORT, load, seed=1, workers=2).run()
    report.print(Console())
    assert report.violations == []
    assert report.rebalances >= sum(step.act is not Act.SWAP for step in SHORT.steps)
