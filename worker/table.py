"""Mends of Faust's windowed table: rows only grow, expired rows leave the changelog too, recovery begins at once."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from faust.tables.manager import TableManager
from faust.tables.table import Table

from worker.counts import is_newer

if TYPE_CHECKING:
    from worker.app import EmotionApp


class PromptTableManager(TableManager):
    """Faust's, but it does not wait a second for tables that are declared late: ours is declared before the start."""

    async def on_start(self) -> None:
        """Begin to follow the changelog."""
        await self._update_channels()
        await self.recovery.start()


class MonotoneTable(Table[Any, Any]):
    """A Faust table whose rows carry the offset they have seen.

    A worker that was fenced off can still write an old row to the changelog after its successor wrote a newer one; a
    table that recovers keeps the newer.
    """

    @property
    def _emotion_app(self) -> "EmotionApp":
        return cast("EmotionApp", self.app)

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        """Apply only rows that are not older than what is known."""
        newest: dict[Any, Any] = {}
        kept = []
        for event in batch:
            key, row = self._to_key(event.key), event.value
            if row is not None:
                if not is_newer(row, newest.get(key) or self.data.get(key)):
                    continue
                newest[key] = row
                self._emotion_app.horizon.note(key)
            kept.append(event)
        super().apply_changelog_batch(kept)

    def _maybe_set_key_ttl(self, key: Any, partition: int) -> None:  # noqa: ARG002 - Faust's signature
        """Note the key only: expiry goes by the newest bucket of each partition, see `Horizon`."""
        self._emotion_app.horizon.note(key)

    # Faust drops expired keys from memory only; the compacted changelog would keep them for ever.
    async def _del_old_keys(self) -> None:
        owned = self._emotion_app.assigned_partitions()
        for key in self._emotion_app.horizon.expired(list(self.data)):
            self.data.pop(key, None)
            if key[0] in owned:
                self.send_changelog(key[0], key, None, value_serializer="raw")
