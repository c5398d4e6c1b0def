import logging
from collections.abc import Iterator

import pytest

from worker.logging import configure_logging
from worker.settings import WorkerSettings


@pytest.fixture
def root_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.mark.usefixtures("root_logging")
def test_records_of_faust_that_nobody_reads_are_not_built() -> None:
    configure_logging(WorkerSettings())
    for name in ("faust", "mode", "aiokafka"):
        assert not logging.getLogger(f"{name}.something").isEnabledFor(logging.INFO)
