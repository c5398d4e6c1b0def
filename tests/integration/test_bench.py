"""The measurements that need a broker, small: they end, say what they measured, and can be interrupted."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from worker.__main__ import main
from worker.commands.bench.latency import _READ_BOUND_S
from worker.settings import DEFAULT_BUNDLE

pytestmark = pytest.mark.integration

RATE = "tweets/s"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("measurement", "options", "wanted"),
    [
        ("scaling", ("--case", "words=5", "--case", "workers=2"), {"words in a tweet: 5", "workers of one thread: 2"}),
        ("latency", (), {"sustainable rate", "offered rate"}),
        ("pipeline", (), {"engine alone", "whole worker", "edge: no model, cleaning included"}),
    ],
)
def test_a_measurement_says_what_it_measured(
    tiny_bundle: Path, tmp_path: Path, measurement: str, options: tuple[str, ...], wanted: set[str]
) -> None:
    target = tmp_path / "figures.json"
    # The tiny one would be done with the backlog of a latency run before anybody looks.
    bundle = DEFAULT_BUNDLE if measurement == "latency" else tiny_bundle
    small = ["--bundle", str(bundle), "--tweets", "12000", "--runs", "1", "--partitions", "2"]
    answer = CliRunner().invoke(
        main, ["bench", measurement, *small, *options, "--json", str(target)], env={"KAFKA_HOME": ""}
    )
    assert answer.exit_code == 0, answer.output
    written = json.loads(target.read_text())
    assert [bundle["precision"] for bundle in written["bundles"]] == ["fp32"]
    rates = {figure["what"]: figure["spread"]["median"] for figure in written["figures"] if figure["unit"] == RATE}
    assert set(rates) == wanted
    assert min(rates.values()) > 0


INTERRUPTED = """
import os, random, signal, threading, time
from worker.commands.bench.latency import timed
from worker.commands.bench.stand import stands
from worker.settings import WorkerSettings

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
with stands(None) as stand_on:
    stand = stand_on(WorkerSettings(), 1)
    threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        timed(stand, ["so happy"] * 1000, 10, random.Random(1))
    except KeyboardInterrupt:
        pass
print(time.time())
"""


def test_who_interrupts_a_load_does_not_wait_for_its_events(tmp_path: Path) -> None:
    """Nothing reads these tweets, so that no event ever comes."""
    script = tmp_path / "interrupted.py"
    script.write_text(INTERRUPTED)
    ended = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert time.time() - float(ended.stdout) < _READ_BOUND_S / 3
