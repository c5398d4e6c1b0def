"""The mends rest on internals of pinned releases: a release that changes one must be read before it is taken."""

import gc
import hashlib
import importlib.metadata
import inspect
import pkgutil
from typing import Any, NamedTuple

import pytest
from mode.services import ServiceTask

from worker.app import EmotionApp
from worker.metrics import Metrics
from worker.settings import KafkaSettings, WorkerSettings

PINNED = {"faust-streaming": "0.15.3", "mode-streaming": "0.7.1", "aiokafka": "0.14.0"}
CONSUMER = "faust.transport.consumer:Consumer."
COORDINATOR = "aiokafka.consumer.group_coordinator:GroupCoordinator."
DRIVER = "faust.transport.drivers.aiokafka:"


class Internal(NamedTuple):
    """A member that a mend overrides, calls or counts on, the hash of its source, and the mend."""

    path: str
    digest: str
    mend: str


INTERNALS = [
    Internal(DRIVER + "Consumer._new_consumer_thread", "0870ec53dea7", "ExactConsumer._new_consumer_thread"),
    Internal(DRIVER + "Consumer._to_message", "7c24f6511b2f", "ExactConsumer._to_message"),
    Internal(DRIVER + "AIOKafkaConsumerThread._fetch_records", "39a2c6c79fc1", "ExactThread._fetch_records"),
    Internal(DRIVER + "AIOKafkaConsumerThread._highwaters", "a7f4f97d9f32", "ExactThread._highwaters"),
    Internal(
        DRIVER + "ConsumerRebalanceListener",
        "f3d04f29dfb3",
        "ExactConsumer.on_partitions_revoked, generations of the agent",
    ),
    Internal(DRIVER + "AIOKafkaConsumerThread.on_start", "38b4e8bd1e10", "ExactThread.on_start"),
    Internal(
        DRIVER + "AIOKafkaConsumerThread._create_worker_consumer", "c2701bfc3e6f", "ExactThread._create_worker_consumer"
    ),
    Internal("aiokafka:AIOKafkaConsumer.start", "2f1ba7044332", "ExactThread._create_worker_consumer"),
    Internal("faust.tables.manager:TableManager.on_start", "365dd25fbc0e", "PromptTableManager.on_start"),
    Internal(COORDINATOR + "_do_heartbeat", "dc1d6632aaa6", "Membership.listen_to, is_heard"),
    Internal(COORDINATOR + "_heartbeat_routine", "61d010289522", "Membership.listen_to, is_heard"),
    Internal(COORDINATOR + "reset_generation", "537aa37c531b", "Membership.generation"),
    Internal(COORDINATOR + "ensure_active_group", "33c84c1a9301", "heartbeats go on while partitions are revoked"),
    Internal(CONSUMER + "on_partitions_assigned", "29ce96596f05", "ExactConsumer.on_partitions_assigned"),
    Internal("faust.transport.consumer:ConsumerThread", "4914fd92c2a0", "ExactThread"),
    Internal("faust.transport.consumer:ThreadDelegateConsumer._getmany", "f9d47aa9010b", "ExactConsumer._getmany"),
    Internal(CONSUMER + "getmany", "4b168d84882a", "ExactConsumer._getmany, perform_seek"),
    Internal(CONSUMER + "_drain_messages", "44a2500309e8", "ExactConsumer._add_gap, _to_message"),
    Internal(CONSUMER + "_add_gap", "4df2573ded7c", "ExactConsumer._add_gap"),
    Internal(CONSUMER + "_new_offset", "1d2c7ea89a7a", "ExactConsumer._new_offset"),
    Internal(CONSUMER + "_filter_tps_with_pending_acks", "f6f923977423", "ExactConsumer._filter_tps_with_pending_acks"),
    Internal(CONSUMER + "_filter_committable_offsets", "dc5e9baf5d99", "ExactConsumer._new_offset"),
    Internal(CONSUMER + "_commit_offsets", "1a6979904118", "the changelog is flushed before a commit"),
    Internal(CONSUMER + "perform_seek", "0e8c130ff4b0", "ExactConsumer.perform_seek"),
    Internal(CONSUMER + "seek", "b86a9fe05f95", "ExactConsumer.seek"),
    Internal(CONSUMER + "resume_partitions", "afe6b7c02a41", "ExactConsumer.resume_partitions"),
    Internal(CONSUMER + "stop_flow", "cf7e875a2b0d", "ExactConsumer.stop_flow"),
    Internal(CONSUMER + "on_partitions_revoked", "d04b7ae72c6f", "ExactConsumer.on_partitions_revoked"),
    Internal(
        "faust.tables.recovery:Recovery._resume_streams",
        "d986a6710c1a",
        "ExactConsumer.resume_partitions, perform_seek",
    ),
    Internal(
        "faust.tables.recovery:Recovery.on_recovery_completed",
        "6ef567acf072",
        "ExactConsumer.resume_partitions, perform_seek",
    ),
    Internal("faust.app.base:App.on_rebalance_end", "b7ff69e1e377", "EmotionApp.on_rebalance_end"),
    Internal("mode.threads:WorkerThread", "e213e6b441f9", "fetching.py _Thread"),
    Internal("faust.app.base:App._create_directories", "a9f571c3b04a", "EmotionApp._create_directories"),
    Internal("faust.app.base:App._new_transport", "42db531312dd", "EmotionApp._new_transport"),
    Internal("faust.app.base:App._on_partitions_revoked", "d5c895bbe57d", "ExactConsumer.on_partitions_revoked"),
    Internal(
        "faust.tables.base:Collection.apply_changelog_batch", "b980a78d3ae9", "MonotoneTable.apply_changelog_batch"
    ),
    Internal("faust.tables.base:Collection._maybe_set_key_ttl", "39b7465fa580", "MonotoneTable._maybe_set_key_ttl"),
    Internal("faust.tables.base:Collection._del_old_keys", "6ef742ec9ad5", "MonotoneTable._del_old_keys"),
    Internal("faust.tables.base:Collection._clean_data", "e7aa07298677", "MonotoneTable._del_old_keys"),
    Internal("faust.tables.base:Collection.send_changelog", "3dd3884e1b5f", "MonotoneTable._del_old_keys"),
    Internal("faust.tables.base:Collection.partition_for_key", "3b2291811b8d", "worker.agent._as_current"),
    Internal("faust.tables.table:Table.on_key_set", "a370e35ca55c", "MonotoneTable._maybe_set_key_ttl"),
    Internal("faust.stores.memory:Store.apply_changelog_batch", "71863e3cd727", "MonotoneTable.apply_changelog_batch"),
    Internal("faust.streams:current_event", "3b821f1a78d8", "worker.agent._as_current"),
    Internal("faust.streams:Stream.events", "c62f4dd3a73f", "ScoreAgent.run"),
    Internal(DRIVER + "Producer.flush", "36d0cb3615f6", "the changelog is flushed before a commit"),
    Internal("worker.headers:_PartitionRecords.__base__._unpack_records", "b803e6d46480", "worker.headers"),
    Internal("aiokafka.record.default_records:_DefaultRecordBatchPy", "f63fbb5a8a24", "worker.headers"),
    Internal("aiokafka.record.memory_records:_MemoryRecordsPy", "795a0314fbca", "worker.headers"),
    Internal("aiokafka.consumer.fetcher:Fetcher._proc_fetch_request", "59bf948fff47", "worker.headers"),
    Internal(
        "faust.tables.recovery:Recovery._restart_recovery",
        "6bd8a8558a2d",
        "ExactConsumer.perform_seek raises RebalanceAgain",
    ),
    Internal("faust.app.base:App.on_rebalance_start", "5c1e23de3067", "ExactConsumer.is_overtaken"),
    Internal("faust.transport.consumer:ThreadDelegateConsumer._commit", "a20eec84e4b2", "ExactConsumer._commit"),
    Internal("faust.sensors.base:SensorDelegate.on_send_error", "1d19ba7eede0", "worker.app._CrashOnSendError"),
]
STATE = ["_committed_offset", "_read_offset", "_active_partitions", "_paused_partitions", "flow_active"]


@pytest.fixture(autouse=True, scope="module")
def _collected() -> None:
    """CPython 3.11 cannot read a source while it collects what other tests left behind (gh-106905)."""
    gc.collect()


@pytest.mark.parametrize("name", PINNED)
def test_the_releases_are_those_that_were_read(name: str) -> None:
    assert importlib.metadata.version(name) == PINNED[name], (
        f"{name} changed: read what its release changes in INTERNALS, then move the pin here and in pyproject.toml"
    )


@pytest.mark.parametrize("internal", INTERNALS, ids=lambda internal: internal.path)
def test_an_internal_that_a_mend_rests_on_is_as_it_was_read(internal: Internal) -> None:
    digest = hashlib.sha256(inspect.getsource(_found(internal)).encode()).hexdigest()[:12]
    assert digest == internal.digest, (
        f"{internal.path} changed: look at {internal.mend} and its test (docs/faust.md), then note {digest} here"
    )


def _found(internal: Internal) -> Any:
    try:
        found = pkgutil.resolve_name(internal.path)
    except AttributeError:
        pytest.fail(f"{internal.path} is gone: look at {internal.mend} and its test (docs/faust.md)")
    return found.fun if isinstance(found, ServiceTask) else found


def test_what_the_mends_read_and_set_is_still_there() -> None:
    consumer = EmotionApp(KafkaSettings(), WorkerSettings(), 4, Metrics()).exact_consumer
    assert [name for name in STATE if not hasattr(consumer, name)] == []
