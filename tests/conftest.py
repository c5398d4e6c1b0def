"""Brokers that the tests share: the embedded one always, Apache Kafka where KAFKA_HOME names it."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis  # its plugin would import it at the end, too deep for Python 3.11 to rewrite its assertions
import pytest

from tests.bundles import build_tiny_bundle
from tests.stream import Stream
from worker.brokers import ApacheKafka, EmbeddedBroker, LocalBroker
from worker.commands.topics import create_topics
from worker.settings import KafkaSettings, WorkerSettings

# Tiny models learn fastest on one thread; on a busy machine two wait for each other.
for variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(variable, "1")

# A shell that is set up for somebody's cluster or data would change what is tested, and where.
_SETTINGS = ("KAFKA_", "WORKER_", "EMOTION_")
for variable in [name for name in os.environ if name.startswith(_SETTINGS) and name != "KAFKA_HOME"]:
    del os.environ[variable]

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")

KAFKA_HOME = os.environ.get("KAFKA_HOME")
BROKERS = ["embedded", pytest.param("apache", marks=pytest.mark.skipif(KAFKA_HOME is None, reason="no KAFKA_HOME"))]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is proven on the embedded broker in every run is proven on Apache Kafka where slow tests are asked for."""
    for item in items:
        if "apache" in item.name and item.get_closest_marker("slow_on_apache"):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="session", params=BROKERS)
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    if request.param == "apache" and KAFKA_HOME is None:
        pytest.skip("no KAFKA_HOME")  # a test that asks for Apache Kafka by name
    folder = tmp_path_factory.mktemp(request.param)
    with (
        ApacheKafka(Path(KAFKA_HOME or ""), folder) if request.param == "apache" else EmbeddedBroker(folder) as started
    ):
        yield started


@pytest.fixture
def stream(broker: LocalBroker, tiny_bundle: Path, tmp_path: Path) -> Iterator[Stream]:
    """Fresh topics of four partitions, and a worker on them that ends with the test."""
    name = f"t{uuid.uuid4().hex[:8]}"
    kafka = KafkaSettings(
        bootstrap_servers=broker.bootstrap_servers,
        raw_topic=f"{name}.raw",
        emotion_topic=f"{name}.emotion",
        dead_topic=f"{name}.dead",
    )
    worker = WorkerSettings(app_id=name, bundle=tiny_bundle, data_dir=tmp_path / "data")
    create_topics(kafka, worker, partitions=4)
    with Stream(kafka, worker, tmp_path / "worker.log") as started:
        yield started
