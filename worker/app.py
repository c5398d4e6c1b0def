"""The Faust app: its configuration, its one agent and its one table."""

import asyncio
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, cast

import faust
import structlog
from faust.sensors.base import Sensor
from faust.types import TP, AppT, ProducerT
from faust.types.transports import TransportT

from worker.consumer import ExactConsumer, ExactTransport
from worker.counts import Horizon, Row, RowKey, topic_ids
from worker.deletions import Deletions
from worker.metrics import Metrics
from worker.progress import Progress
from worker.published import PublishedTail
from worker.settings import COUNTS_TABLE, KafkaSettings, WorkerSettings
from worker.table import MonotoneTable, PromptTableManager

log = structlog.get_logger("worker")

_MAX_FETCH_BYTES = 262_144
"""Of a partition at once; a larger record comes alone. Small tweets take many times their bytes once they are read."""
_SESSION_TIMEOUT_S = 6.0
_POSITION_TIMEOUT_S = 5.0
_HEARTBEAT_INTERVAL_S = 1.0
_PIECES_WAITING = 16
"""Events before the agent; one holds what a fetch brought of a partition. Beyond it the fetcher waits."""


class EmotionApp(faust.App):
    """A Faust app that knows its raw topic, its table of counts and how far it has come. Connects nowhere by itself.

    Args:
        partitions: of the raw topic.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        worker: WorkerSettings,
        partitions: int,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(
            worker.app_id,
            broker=[f"kafka://{server}" for server in kafka.servers],
            broker_credentials=_credentials(kafka),
            store="memory://",
            web_enabled=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            topic_partitions=partitions,
            broker_session_timeout=_SESSION_TIMEOUT_S,
            broker_heartbeat_interval=_HEARTBEAT_INTERVAL_S,
            broker_commit_interval=worker.commit_interval_s,
            broker_max_poll_records=1000,
            consumer_max_fetch_size=_MAX_FETCH_BYTES,
            consumer_auto_offset_reset="earliest",
            stream_wait_empty=False,
            stream_buffer_maxsize=_PIECES_WAITING,
            stream_recovery_delay=0.0,
            agent_supervisor="mode.CrashingSupervisor",
            producer_acks=-1,
            table_cleanup_interval=worker.bucket_s,
            Table=MonotoneTable,
            TableManager=PromptTableManager,
        )
        self.deletions = Deletions(metrics)
        self.progress = Progress()
        self.raw_topic_name = kafka.raw_topic
        self.horizon = Horizon(worker.retention_s, clock)
        self.drain_s = worker.drain_s
        self.may_commit = True
        """False as soon as a count could not be written."""
        self.aiokafka_config = _aiokafka_config(kafka)
        self._tail = PublishedTail(kafka, moved=worker.raw_topic_moved)
        self.sensors.add(_CrashOnSendError(self))
        self.counts_table: Any = self.Table(COUNTS_TABLE, partitions=partitions, default=None)
        self.counts_table.tumbling(worker.bucket_s, expires=worker.retention_s)
        self.rows: MutableMapping[RowKey, Row] = self.counts_table.data

    @property
    def exact_consumer(self) -> ExactConsumer:
        """The mended consumer."""
        return cast("ExactConsumer", self.consumer)

    @property
    def is_flowing(self) -> bool:
        """False during a rebalance and at a stop: no batch begins then."""
        return bool(self.exact_consumer.flow_active and not self.rebalancing)

    def assigned_partitions(self) -> set[int]:
        """Partitions of the raw topic that this worker owns now."""
        return {tp.partition for tp in self.consumer.assignment() if tp.topic == self.raw_topic_name}

    async def begin_assignment(self, starts: dict[int, int]) -> None:
        """Learn what stands on the output topics from ``starts`` (partition -> offset) on.

        Raises:
            TopicsUnfit, BrokerUnreachable: as `PublishedTail.read`.
        """
        self.progress.topic_id, published = await asyncio.to_thread(self._tail.read, starts, topic_ids(self.rows))
        self.progress.start_from(starts, published)
        log.info(
            "partitions assigned",
            generation=self.consumer_generation_id,
            starts=starts,
            published_before=len(published),
        )

    async def reread_dropped(self, ends: Mapping[int, int]) -> None:
        """Read again what was fetched, or is listed in ``ends``, and never came.

        Around a rebalance Faust can drop what it fetched (faust 596). Where more records follow, the agent sees the
        gap; where those were the last ones of their partition, only this does.
        """
        if self.rebalancing or not self.tables.actives_ready or not self.progress.is_quiet():
            return
        for partition in self.assigned_partitions() & set(self.progress.expected):
            tp = TP(self.raw_topic_name, partition)
            position = await asyncio.wait_for(self.consumer.position(tp), _POSITION_TIMEOUT_S)
            expected = self.progress.expected[partition]
            following = self.exact_consumer.past_holes(tp)(expected)
            self.deletions.passed(tp, expected, following)
            self.progress.expected[partition] = following
            reached = max(position or 0, ends.get(partition, 0))
            if reached > following and self.progress.may_rewind(partition):
                log.warning("records did not come, reading again", partition=partition, offset=following, end=reached)
                self.consumer.resume_partitions({tp})
                await self.exact_consumer.seek(tp, following)

    def write_again(self, overtaken: set[RowKey]) -> None:
        """Write our own rows once more behind older ones, which a worker that was fenced off wrote late."""
        if self.rebalancing or not self.tables.actives_ready or not self.exact_consumer.membership.is_heard:
            return
        owned = self.assigned_partitions()
        for key in [key for key in overtaken if key[0] in owned]:
            overtaken.discard(key)
            if (row := self.rows.get(key)) is not None:
                log.warning("an older row came late, writing the newer one again", partition=key[0])
                self.counts_table.send_changelog(key[0], key, row)

    def on_rebalance_end(self) -> None:
        """Let the source partitions flow only now (faust 596), unless the next rebalance has begun."""
        if self.exact_consumer.is_overtaken:
            return
        self.progress.dead_generation = None
        super().on_rebalance_end()
        self.exact_consumer.resume_deferred()

    def _create_directories(self) -> None:
        """Nothing: the table is in memory, so a data folder that cannot be written must not end the worker."""

    def _new_transport(self) -> TransportT:
        return ExactTransport(self.conf.broker_consumer, cast("AppT", self))


class _CrashOnSendError(Sensor):
    """A changelog record that cannot be written must stop the worker before anything is committed over it."""

    def __init__(self, app: EmotionApp) -> None:
        super().__init__()
        self._broken = app

    def on_send_error(self, producer: ProducerT, exc: BaseException, state: Any) -> None:  # noqa: ARG002 - the sensor protocol
        self._broken.may_commit = False  # at once: the commit that waited for this record would go on before the crash
        asyncio.get_running_loop().create_task(self._broken.crash(exc))


def _credentials(kafka: KafkaSettings) -> faust.types.auth.CredentialsT | None:
    context = kafka.ssl_context() if kafka.uses_tls else None
    if kafka.uses_sasl:
        return faust.SASLCredentials(
            mechanism=kafka.sasl_mechanism,
            username=kafka.sasl_username,
            password=kafka.password(),
            ssl_context=context,
        )
    return faust.SSLCredentials(context=context) if context is not None else None


def _aiokafka_config(kafka: KafkaSettings) -> dict[str, Any]:
    config: dict[str, Any] = {
        "bootstrap_servers": kafka.servers,
        "security_protocol": kafka.security_protocol,
    }
    if kafka.uses_tls:
        config["ssl_context"] = kafka.ssl_context()
    if kafka.uses_sasl:
        config |= {
            "sasl_mechanism": kafka.sasl_mechanism,
            "sasl_plain_username": kafka.sasl_username,
            "sasl_plain_password": kafka.password(),
        }
    return config
