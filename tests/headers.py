"""Records with headers whose names are not UTF-8; no client in Python sends them."""

import asyncio
import struct
import time

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import NotLeaderForPartitionError
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from worker.settings import KafkaSettings

NAME = b"\xffabc"
_STANDS_FOR_IT = "name"
_CRC_AT, _CRC_OF = 17, 21
_TRIES = 50


def batch_of(*values: bytes, base_offset: int = 0, odd: bool = True) -> bytes:
    """A record batch, each record with one header."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1_000_000,
    )
    for number, value in enumerate(values):
        moment_ms = int(time.time() * 1000)
        builder.append(number, timestamp=moment_ms, key=None, value=value, headers=[(_STANDS_FOR_IT, b"v")])
    batch = bytearray(builder.build())
    batch[:8] = struct.pack(">q", base_offset)
    if odd:
        last = batch.rindex(_STANDS_FOR_IT.encode())
        batch[last : last + len(NAME)] = NAME
        batch[_CRC_AT:_CRC_OF] = struct.pack(">I", calc_crc32c(bytes(batch[_CRC_OF:])))
    return bytes(batch)


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
