"""How the worker begins."""

import asyncio
from pathlib import Path

import pytest

from worker.app import EmotionApp
from worker.brokers import free_port
from worker.errors import BrokerUnreachable
from worker.metrics import Metrics
from worker.service import _start
from worker.settings import KafkaSettings, WorkerSettings


def test_brokers_that_went_away_since_they_were_asked_are_named_in_one_line(tmp_path: Path) -> None:
    kafka = KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}")

    async def start() -> None:
        app = EmotionApp(kafka, WorkerSettings(data_dir=tmp_path), 1, Metrics())
        try:
            await _start(app, kafka)
        finally:
            await app.stop()

    with pytest.raises(BrokerUnreachable, match=f"{kafka.bootstrap_servers} answered and went away"):
        asyncio.run(start())
