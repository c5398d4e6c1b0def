r"""Headers whose names are not UTF-8: aiokafka ends at one, and with it the worker, after every restart.

Kafka takes any bytes for a name, and so do clients that are not Java's. Such a batch is read again by aiokafka's own
reader in Python, with what is not UTF-8 escaped (``\xff``); all others are read as before.

Pinned to aiokafka 0.14.0: a test fails when one of the internals used here moves.
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy

_WITH_HEADERS = 2
"""The first version of Kafka's record batch that has headers."""


def read_any_header() -> None:
    """Mend all consumers of aiokafka in this process; a second call changes nothing."""
    fetcher.MemoryRecords = _Fetched
    fetcher.PartitionRecords = _PartitionRecords


class _Fetched:
    """What a fetch brought of a partition: aiokafka's reader of it, and the bytes."""

    def __init__(self, content: bytes) -> None:
        self.content, records = content, MemoryRecords(content)
        self.has_next, self.next_batch, self.size_in_bytes = records.has_next, records.next_batch, records.size_in_bytes


class _PartitionRecords(fetcher.PartitionRecords):
    _records: Any

    def _unpack_records(self) -> Iterator[Any]:
        """As aiokafka's; from the batch on in which it finds such a name, by the reader that can."""
        try:
            yield from super()._unpack_records()
        except (UnicodeDecodeError, CorruptRecordException) as error:
            if UnicodeDecodeError not in {type(error), type(error.__cause__)}:
                raise
            self._records = _LegibleRecords(self._records.content, self.next_fetch_offset)
            yield from super()._unpack_records()


class _LegibleRecords(_MemoryRecordsPy):
    """Batches from the one on that holds an offset."""

    def __init__(self, content: bytes, offset: int) -> None:
        super().__init__(content)
        self._offset = offset

    def next_batch(self, *sizes: int) -> Any:
        content, batch = self._next_slice, super().next_batch(*sizes)
        while batch is not None and batch.next_offset <= self._offset:
            content, batch = self._next_slice, super().next_batch(*sizes)
        return batch if content is None or batch is None or batch.magic < _WITH_HEADERS else _LegibleBatch(content)


class _LegibleBatch(_DefaultRecordBatchPy):
    _buffer: bytearray

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _Legible(self._buffer)


class _Legible(bytearray):
    """Bytes whose parts can be made text whatever they are."""

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return _Legible(found) if isinstance(place, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002 - the built-in's signature
        return super().decode(encoding, "backslashreplace")
