"""What tests of an app that is not connected share."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from faust.types import TP

from worker.app import EmotionApp
from worker.consumer import ExactConsumer
from worker.counts import bucket_of
from worker.settings import KafkaSettings, WorkerSettings

KAFKA, WORKER = KafkaSettings(), WorkerSettings(drain_s=5.0)
RAW, CHANGELOG = TP(KAFKA.raw_topic, 0), TP(WORKER.changelog_topic, 0)
KEY = (0, bucket_of(1_800_000_000.0, WORKER.bucket_s))
"""Of a row of the table."""


def consumer_of(app: EmotionApp, **instead: Any) -> ExactConsumer:
    consumer = app.exact_consumer
    vars(consumer).update(instead)
    return consumer


def nothing_async(*_: Any, **__: Any) -> Awaitable[None]:
    return asyncio.sleep(0)


def settle(app: EmotionApp) -> None:
    """The rebalance is over, the table recovered; offset 10 of partition 0 comes next."""
    tables: Any = app.tables
    tables.on_actives_ready()
    vars(app)["rebalancing"] = False
    app.progress.expected[0] = 10
