"""Names of headers that are not UTF-8 cost no record, neither theirs nor another."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher

from tests.headers import batch_of
from worker.headers import read_any_header

ESCAPED = r"\xffabc"


def records_of(content: bytes, since: int = 0) -> list[Any]:
    read_any_header()
    make: Any = fetcher.PartitionRecords
    records: Any = fetcher.MemoryRecords
    return list(make(TopicPartition("raw", 0), records(content), [], since, None, None, True, fetcher.READ_COMMITTED))


@pytest.mark.parametrize("since", range(8))
def test_each_record_is_read_once_and_in_order(since: int) -> None:
    batches = [
        (0, batch_of(b"a", b"b", b"c", odd=False)),
        (3, batch_of(b"d", b"e", base_offset=3)),
        (5, batch_of(b"f", b"g", base_offset=5)),
        (7, batch_of(b"h", base_offset=7, odd=False)),
    ]
    first = max(offset for offset, _ in batches if offset <= since)  # a broker begins with the batch that holds it
    read = records_of(b"".join(batch for offset, batch in batches if offset >= first), since)
    assert [(one.offset, one.value.decode()) for one in read] == list(enumerate("abcdefgh"))[since:]
    odd = [one.offset for one in read if one.headers == ((ESCAPED, b"v"),)]
    assert odd == [offset for offset in (4, 6) if offset >= since]


@pytest.mark.parametrize("codec", range(5), ids=["none", "gzip", "snappy", "lz4", "zstd"])
def test_such_a_name_is_read_from_a_batch_of_any_codec(codec: int) -> None:
    values = [character * 300 for character in (b"a", b"b", b"c")]
    content = batch_of(*values, codec=codec)
    assert (len(content) < 300) == (codec > 0)
    read = records_of(content)
    assert [(one.offset, one.value) for one in read] == list(enumerate(values))
    assert [one.headers for one in read] == [(("name", b"v"),)] * 2 + [((ESCAPED, b"v"),)]


def test_a_batch_that_is_damaged_otherwise_is_still_refused() -> None:
    content = bytearray(batch_of(b"a", odd=False))
    content[-1] ^= 1
    with pytest.raises(Exception, match="CRC"):
        records_of(bytes(content))
