"""Records with headers whose names are not UTF-8; no client in Python sends them."""

import asyncio
import struct
import time

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import NotLeaderForPartitionError
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from worker.settings import KafkaSettings

NAME = b"\xffabc"
_TRIES = 50


class _OddName(str):
    """Becomes bytes that are not UTF-8."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:  # noqa: ARG002 - the built-in's signature
        return NAME


def batch_of(*values: bytes, base_offset: int = 0, odd: bool = True, codec: int = 0) -> bytes:
    """A record batch, each record with one header; the last one's has an odd name. ``codec``: Kafka's number of it."""
    builder = _DefaultRecordBatchBuilderPy(
        magic=2,
        compression_type=codec,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1_000_000,
    )
    for number, value in enumerate(values):
        is_odd = odd and number == len(values) - 1
        headers: list[tuple[str, bytes | None]] = [(_OddName("name") if is_odd else "name", b"v")]
        builder.append(number, timestamp=int(time.time() * 1000), key=None, value=value, headers=headers)
    return struct.pack(">q", base_offset) + bytes(builder.build())[8:]


async def send(kafka: KafkaSettings, batch: bytes, partition: int) -> None:
    """Put a batch on the raw topic."""
    client = AIOKafkaClient(bootstrap_servers=kafka.servers)
    await client.bootstrap()
    try:
        await client.add_topic(kafka.raw_topic)
        topics = [(kafka.raw_topic, [(partition, batch)])]
        asked = ProduceRequest(transactional_id=None, required_acks=-1, timeout=10_000, topics=topics)
        error = NotLeaderForPartitionError.errno
        for _ in range(_TRIES):  # a leader of a new topic may not know yet that it is one
            node = client.cluster.leader_for_partition(TopicPartition(kafka.raw_topic, partition))
            await client.ready(node)
            ((_, ((_, error, *_),)),) = (await client.send(node, asked)).topics
            if error != NotLeaderForPartitionError.errno:
                break
            await asyncio.sleep(0.2)
            await client.force_metadata_update()
        assert error == 0, f"the broker says {error}"
    finally:
        await client.close()
