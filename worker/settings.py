"""All settings, each once: its name, default, environment variable and help text."""

import os
import re
import ssl
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas import topics
from schemas.tweet import LONGEST_TEXT_CHARS
from worker.errors import SecretUnreadable

DEFAULT_BUNDLE = Path(__file__).parent.parent / "bundles" / "lstm"

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

_CONFIG = SettingsConfigDict(frozen=True, env_ignore_empty=True, allow_inf_nan=False)
"""Compose files and Kubernetes write a variable that nobody set as an empty one."""
_SERVER = re.compile(r"(?:[^\s:/,\[\]]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?")
_PORTS = range(1, 65_536)
_READER_GROUP = "tweet-emotions-reader"
"""librdkafka wants a name. Nobody joins it and nothing is committed to it, so nobody needs a right to it."""


def heaps_are_set() -> bool:
    """Whether glibc's own variable says how many heaps threads may have."""
    return "MALLOC_ARENA_MAX" in os.environ


def read_secret(path: Path, setting: str) -> str:
    """The one line that a file holds.

    Raises:
        SecretUnreadable: there is no such file, or it holds something else; what it holds is not told.
    """
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise SecretUnreadable(f"cannot read {path}: {reason}; mend the file or {setting}") from error
    if not secret or not secret.isprintable():
        raise SecretUnreadable(f"{path} should hold one line, a secret; mend the file or {setting}")
    return secret


class KafkaSettings(BaseSettings):
    """How to reach the brokers and what the topics are called; environment ``KAFKA_*``."""

    model_config = SettingsConfigDict(env_prefix="KAFKA_", **_CONFIG)

    bootstrap_servers: str = Field("127.0.0.1:9092", description="host:port of one or more brokers, comma separated")
    security_protocol: Protocol = Field("PLAINTEXT", description="how to talk to the brokers")
    sasl_mechanism: Mechanism = Field("SCRAM-SHA-512", description="used where the protocol begins with SASL")
    sasl_username: str | None = Field(None, description="user name for SASL")
    sasl_password: SecretStr | None = Field(None, description="password for SASL; prefer the file", exclude=True)
    sasl_password_file: Path | None = Field(None, description="file that holds the SASL password")
    ssl_ca_file: Path | None = Field(
        None, description="PEM file of the authority that signed the brokers' certificates"
    )
    ssl_certificate_file: Path | None = Field(None, description="PEM file of the client certificate (mTLS)")
    ssl_key_file: Path | None = Field(None, description="PEM file of the client certificate's key")
    raw_topic: str = Field(topics.DEFAULT_RAW, description="topic of raw tweets")
    emotion_topic: str = Field(topics.DEFAULT_EMOTION, description="topic of labelled events")
    dead_topic: str = Field(topics.DEFAULT_DEAD, description="topic of dead letters")
    broker_timeout_s: float = Field(60.0, gt=0, description="how long to wait for a broker before giving up")

    @field_validator("bootstrap_servers")
    @classmethod
    def _refuse_odd_servers(cls, value: str) -> str:
        for server in value.split(","):
            found = _SERVER.fullmatch(server.strip())
            if found is None or int(found["port"] or 1) not in _PORTS:
                raise ValueError(f"{server.strip()!r} is no host:port")
        return value

    @property
    def servers(self) -> list[str]:
        """``host:port`` of each broker; a port that is not named is 9092."""
        return [server.strip() for server in self.bootstrap_servers.split(",")]

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.security_protocol.endswith("SSL")

    @property
    def uses_sasl(self) -> bool:
        """Whether the client says who it is by SASL."""
        return self.security_protocol.startswith("SASL")

    def password(self) -> str:
        """The SASL password.

        Raises:
            SecretUnreadable: as `read_secret`, or neither file nor variable is set.
        """
        if self.sasl_password_file is not None:
            return read_secret(self.sasl_password_file, "KAFKA_SASL_PASSWORD_FILE")
        if self.sasl_password is None:
            raise SecretUnreadable("SASL needs a password: set KAFKA_SASL_PASSWORD_FILE to a file that holds it")
        return self.sasl_password.get_secret_value()

    def client_config(self) -> dict[str, str | int | float | bool]:
        """Connection part of a librdkafka configuration (its CONFIGURATION.md names the keys)."""
        config: dict[str, str | int | float | bool] = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.security_protocol,
            "log_level": 2,
        }
        if self.uses_sasl:
            config |= {
                "sasl.mechanism": self.sasl_mechanism,
                "sasl.username": self.sasl_username or "",
                "sasl.password": self.password(),
            }
        files = {
            "ssl.ca.location": self.ssl_ca_file,
            "ssl.certificate.location": self.ssl_certificate_file,
            "ssl.key.location": self.ssl_key_file,
        }
        if self.uses_tls:
            config |= {key: str(path) for key, path in files.items() if path is not None}
        return config

    def reader_config(self) -> dict[str, str | int | float | bool]:
        """Configuration of a consumer that assigns itself partitions, commits nothing and is told where they end.

        As the worker, it sees no record of a transaction that is open or was aborted.
        """
        return {
            **self.client_config(),
            "group.id": _READER_GROUP,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }

    def ssl_context(self) -> ssl.SSLContext:
        """The same trust and client certificate for clients that take an SSL context."""
        context = ssl.create_default_context(cafile=None if self.ssl_ca_file is None else str(self.ssl_ca_file))
        if self.ssl_certificate_file is not None:
            context.load_cert_chain(self.ssl_certificate_file, self.ssl_key_file)
        return context


CONNECTION = tuple(name for name in KafkaSettings.model_fields if not name.endswith("_topic"))
"""The settings of every command that talks to the brokers; each adds the topics that it reads or writes."""


class WorkerSettings(BaseSettings):
    """What the worker does with the stream; environment ``WORKER_*``."""

    model_config = SettingsConfigDict(env_prefix="WORKER_", **_CONFIG)

    app_id: str = Field(
        "tweet-emotions", pattern=r"^[A-Za-z0-9._-]+$", description="consumer group and table name prefix"
    )
    bundle: Path = Field(DEFAULT_BUNDLE, description="folder of the bundle that labels, or a link to it")
    bundle_check_s: float = Field(
        5.0, ge=0, description="seconds between two looks for another bundle at that path; 0: none after the start"
    )
    shadow_bundle: Path | None = Field(
        None, description="folder of a candidate that labels a share of the stream too, for comparison in /metrics"
    )
    shadow_share: float = Field(0.1, gt=0, le=1, description="share of the batches that the candidate labels")
    data_dir: Path = Field(Path("worker-data"), description="folder of this worker's own state; one for each worker")
    http_host: str = Field("127.0.0.1", description="address the HTTP side listens on")
    http_port: int = Field(6066, ge=0, le=65535, description="port of the HTTP side")
    http_token_file: Path | None = Field(None, description="file with a bearer token that HTTP requests must carry")
    max_batch: int = Field(128, gt=0, description="tweets in a micro-batch at most")
    max_wait_s: float = Field(
        0.002, gt=0, description="seconds a tweet waits for its batch to fill, if no batch is on its way"
    )
    threads: int | None = Field(None, gt=0, description="threads of the engine; default: the cores of this process")
    cache_entries: int = Field(
        65_536, ge=0, description="texts whose answers are kept, so that repeats are not scored again; 0: none"
    )
    bucket_s: float = Field(
        10.0,
        gt=0,
        multiple_of=0.5,
        description="size of a time bucket of the table, seconds, in steps of half a second",
    )
    raw_topic_moved: bool = Field(
        False, description="the raw topic has another id than what was counted, but its offsets: go on with it"
    )
    retention_s: float = Field(3600.0, gt=0, description="how long buckets are kept, seconds")
    event_time: Literal["kafka", "created_at"] = Field("kafka", description="the clock that decides a tweet's window")
    include_text: bool = Field(False, description="put the raw text into the events")
    abstain_threshold: float | None = Field(
        None, ge=0, le=1, description="confidence below which an event abstains; default: the bundle's"
    )
    max_text_chars: int = Field(
        LONGEST_TEXT_CHARS, gt=0, description="longer texts are dead letters (the platform's own limit for long posts)"
    )
    languages: str | None = Field(
        None,
        pattern=r"^\s*[a-z]{2,3}\s*(,\s*[a-z]{2,3}\s*)*$",
        description="as en,de: a tweet whose lang names another language is a dead letter; default: all are labelled",
    )
    commit_interval_s: float = Field(1.0, gt=0, description="seconds between commits of offsets")
    drain_s: float = Field(10.0, gt=0, description="how long a batch in flight may take to end at a stop or rebalance")
    stuck_s: float = Field(60.0, gt=0, description="exit when nothing moves for this long though there is work")
    stale_after_s: float = Field(
        15.0,
        gt=0,
        description="a partition is stale if a tweet waits for longer to be counted, or since before the start",
    )
    delivery_timeout_s: float = Field(120.0, gt=0, description="how long a publish may take before the worker stops")
    log_format: Literal["auto", "console", "json"] = Field("auto", description="auto: console on a terminal, else JSON")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is logged")

    @property
    def language_codes(self) -> frozenset[str]:
        """The languages that are labelled; empty: all are."""
        return frozenset(code.strip() for code in (self.languages or "").split(",")) - {""}

    @property
    def changelog_topic(self) -> str:
        """Name that Faust gives the changelog of the counts."""
        return f"{self.app_id}-{COUNTS_TABLE}-changelog"


COUNTS_TABLE = "emotion_counts"
