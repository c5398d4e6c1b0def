"""The tests test the same in every shell."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS_OF_SETTINGS = (
    "tests/unit/worker/test_agent.py::test_the_settings_decide_what_an_event_looks_like",
    "tests/e2e/test_training.py::test_a_mix_without_a_folder_of_its_sets_says_what_to_name",
)


def test_settings_in_the_environment_change_no_test(tmp_path: Path) -> None:
    ours = {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "WORKER_INCLUDE_TEXT": "true", "WORKER_MAX_BATCH": "3"}
    ours |= {"EMOTION_DATA": str(tmp_path), "EMOTION_GLOVE": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS_OF_SETTINGS]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | ours, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
