"""An app that the tests of the mends share."""

from pathlib import Path

import pytest

from tests.apps import KAFKA, WORKER
from worker.app import EmotionApp
from worker.metrics import Metrics


@pytest.fixture
def app(tmp_path: Path) -> EmotionApp:
    return EmotionApp(KAFKA, WORKER.model_copy(update={"data_dir": tmp_path}), 4, Metrics())
