"""Groups of commands of which each is imported when it is called, so that help is quick."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """A group that knows its commands by name.

    Args:
        package: holds a module for each command, with the command in it, both of its name.
        summaries: command -> what the help of the group says of it.
    """

    def __init__(self, *args: Any, package: str, summaries: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._package, self._summaries = package, summaries

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's protocol
        """All of them, in the order of their summaries."""
        return list(self._summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's protocol
        """Import one."""
        if cmd_name not in self._summaries:
            return None
        command: click.Command = getattr(import_module(f"{self._package}.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """Without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._summaries.items()))
