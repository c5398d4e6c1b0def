"""Structured logs: one rich line a batch, colours on a terminal, JSON elsewhere."""

import logging
import sys
from asyncio import CancelledError

import structlog

from worker.errors import WorkerError
from worker.settings import WorkerSettings

_CHATTY = (
    "faust",
    "mode",
    "aiokafka",
    "aiohttp.access",
    "worker.app",
    "worker.consumer",
    "worker.fetching",
    "worker.table",
)


def log_to_standard_error() -> None:
    """Keep standard output for what a command answers; enough for the tools, `configure_logging` is for the worker."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


def configure_logging(settings: WorkerSettings) -> None:
    """Send structlog and the standard library's loggers through one renderer to standard error."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    on_terminal = sys.stderr.isatty() if settings.log_format == "auto" else settings.log_format == "console"
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if on_terminal
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    handler.addFilter(_without_needless_traceback)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _without_needless_traceback(record: logging.LogRecord) -> bool:
    """Errors of ours and of Kafka say in their one line what is wrong; where in Faust they were raised helps nobody.

    Nor does it help where an agent waited that Faust cancels while the app crashes for another reason.
    """
    from aiokafka.errors import KafkaError  # noqa: PLC0415 - help must stay quick

    if record.exc_info and isinstance(record.exc_info[1], WorkerError | KafkaError | CancelledError):
        record.exc_info = None
    return True
