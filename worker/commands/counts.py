"""``python -m worker counts``: the rolling counts of a running worker, live."""

import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import nullcontext
from pathlib import Path

import click
import orjson
from pydantic import ValidationError
from rich.console import Console
from rich.live import Live
from rich.table import Table

from schemas.counts import WindowCounts
from worker.commands.emotions import counts_table
from worker.errors import SecretUnreadable
from worker.options import FiniteRange, settings_options
from worker.settings import WorkerSettings, read_secret

_TIMEOUT_S = 5.0
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""The worker is near, and its token is nobody else's."""


@click.command()
@settings_options(worker=WorkerSettings, only=("http_host", "http_port", "http_token_file"))
@click.option("--window", help="60s, 5m, 1h, up to the worker's retention; default: 5m or the retention")
@click.option("--once", is_flag=True, help="print once and end")
@click.option("--every", type=FiniteRange(0.1, 3600), default=1.0, show_default=True, help="seconds between two looks")
@click.option("--json", "as_json", is_flag=True, help="the answer as it is, once")
def counts(worker: WorkerSettings, window: str | None, once: bool, every: float, as_json: bool) -> None:
    """Show the rolling counts of all partitions and follow them; Ctrl-C ends it."""
    base = f"http://{worker.http_host}:{worker.http_port}"
    if as_json:
        click.echo(fetch_counts(base, window, worker.http_token_file).model_dump_json())
        return
    console = Console(emoji=False)
    first = counts_table(fetch_counts(base, window, worker.http_token_file))
    if once:
        console.print(first)
        return
    try:
        with Live(first, console=console, auto_refresh=False) if console.is_terminal else nullcontext() as live:
            if live is None:
                console.print(first)
            while True:
                time.sleep(every)
                look = _look(base, window, worker.http_token_file)
                if live is None:  # a file, a pipe or a log, where nothing can be drawn over
                    console.print(look)
                else:
                    live.update(look, refresh=True)
    except KeyboardInterrupt:
        return


def _look(base: str, window: str | None, token_file: Path | None) -> Table | str:
    try:
        return counts_table(fetch_counts(base, window, token_file))
    except click.ClickException as error:  # the worker may be starting again
        return error.format_message()


def fetch_counts(base: str, window: str | None, token_file: Path | None = None) -> WindowCounts:
    """``GET /counts`` of the worker at ``base``.

    Raises:
        click.ClickException: no worker answers there, it refuses the question, or the token cannot be read.
    """
    url = f"{base}/counts" + ("" if window is None else f"?window={urllib.parse.quote(window)}")
    try:
        headers = {} if token_file is None else {"Authorization": _bearer(read_secret(token_file, "--http-token-file"))}
    except SecretUnreadable as error:
        raise click.ClickException(f"cannot read the HTTP token: {error}") from error
    try:
        with _NO_PROXY.open(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT_S) as answer:  # noqa: S310
            return WindowCounts.model_validate_json(answer.read())
    except urllib.error.HTTPError as error:
        raise click.ClickException(f"{url}: {_reason(error)}") from error
    except (ValidationError, http.client.HTTPException) as error:
        raise click.ClickException(f"{url}: what answers there is no worker; name --http-port") from error
    except (urllib.error.URLError, TimeoutError, ConnectionError, UnicodeError) as error:
        raise click.ClickException(
            f"no worker answers at {base} ({error}); start one with `python -m worker run` or name --http-port"
        ) from error


def _bearer(token: str) -> str:
    """Urllib writes headers in Latin-1, the worker compares the bytes of UTF-8."""
    return f"Bearer {token}".encode().decode("latin-1")


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(orjson.loads(error.read())["error"])
    except (orjson.JSONDecodeError, KeyError, TypeError, http.client.HTTPException):
        return str(error.reason)
