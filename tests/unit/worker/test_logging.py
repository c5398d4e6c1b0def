import json
import logging
from asyncio import CancelledError
from collections.abc import Iterator

import pytest
from aiokafka.errors import TopicAuthorizationFailedError

from worker.errors import PublishFailed
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


@pytest.mark.usefixtures("root_logging")
@pytest.mark.parametrize(
    ("error", "traced"),
    [
        (PublishFailed("refused"), False),
        (TopicAuthorizationFailedError("raw"), False),
        (CancelledError(), False),
        (KeyError("a fault"), True),
    ],
)
def test_only_what_nobody_foresaw_is_told_with_a_traceback(
    error: BaseException, traced: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    configure_logging(WorkerSettings())
    try:
        raise error
    except type(error):
        logging.getLogger("mode").exception("Crashed reason=%r", error)
    (line,) = capfd.readouterr().err.splitlines()
    told = json.loads(line)
    assert told["level"] == "error"
    assert type(error).__name__ in told["event"]
    assert ("exception" in told) is traced
