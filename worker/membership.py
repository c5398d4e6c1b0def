"""What the consumer group last said of this worker."""

from typing import Any

from worker.clock import boot_s

HEARD_WITHIN_S = 3.0
"""Half of the session timeout: a group that answered a heartbeat so lately has not given our partitions away."""


class Membership:
    """When the group last answered, and the generation that it put us in."""

    def __init__(self) -> None:
        self._coordinator: Any = None
        self._heard_at = boot_s()

    def listen_to(self, coordinator: Any) -> None:
        """Note the heartbeats of aiokafka's group coordinator; called in its thread."""
        self._coordinator, beat = coordinator, coordinator._do_heartbeat  # noqa: SLF001 - aiokafka has no other way

        async def noting() -> bool:
            asked_at = boot_s()
            answered = bool(await beat())
            if answered:
                self._heard_at = asked_at
            return answered

        coordinator._do_heartbeat = noting  # noqa: SLF001 - see above

    def renew(self) -> None:
        """The group has assigned partitions to us just now."""
        self._heard_at = boot_s()

    @property
    def is_heard(self) -> bool:
        """Whether the group knew us a moment ago. What stood still does not know what it missed."""
        return boot_s() - self._heard_at < HEARD_WITHIN_S

    @property
    def generation(self) -> int | None:
        """The generation that the client believes in; it changes as soon as the group says that we are out."""
        generation: int | None = self._coordinator and self._coordinator.generation
        return generation
