"""The HTTP side: reads only."""

import errno
import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from schemas.bundle import BundleManifest
from worker.errors import CannotListen
from worker.health import Health
from worker.metrics import Metrics
from worker.settings import WorkerSettings, read_secret

_UNITS_S = {"s": 1, "m": 60, "h": 3600}
_WINDOW = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)([smh]?)", re.ASCII)
_TIME_SPACE_OFFSET = re.compile(r"(:\d{2}(?:\.\d+)?) (\d{2}:?\d{2})$", re.ASCII)
_OPEN_PATHS = {"/healthz", "/readyz"}
"""Whoever supervises the worker has no token."""
_DEFAULT_WINDOW_S = 300.0
_CLOSING_S = 0.5
"""For whoever is in the middle of a question when the worker ends."""
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class WebSide:
    """The handlers and what they answer from."""

    settings: WorkerSettings
    health: Health
    metrics: Metrics
    manifest: BundleManifest | None = None

    async def start(self) -> web.AppRunner:
        """Listen on the settings' address.

        Raises:
            CannotListen: the port is taken, or the address is none of this machine.
            SecretUnreadable: the token file cannot be read.
        """
        app = web.Application(middlewares=self._middlewares())
        app.add_routes(
            [
                web.get("/counts", self.counts),
                web.get("/healthz", self.healthz),
                web.get("/readyz", self.readyz),
                web.get("/metrics", self.metrics_text),
                web.get("/model", self.model),
            ]
        )
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_CLOSING_S)
        await runner.setup()
        host, port = self.settings.http_host, self.settings.http_port
        try:
            await web.TCPSite(runner, host, port).start()
        except (OSError, UnicodeError) as error:
            await runner.cleanup()
            number = getattr(error, "errno", None)
            other = "--http-port" if number in (errno.EADDRINUSE, errno.EACCES) else "--http-host"
            reason = getattr(error, "strerror", None) or error
            raise CannotListen(f"cannot listen on {host}:{port} ({reason}); choose another with {other}") from error
        return runner

    def _middlewares(self) -> list[Any]:
        path = self.settings.http_token_file
        if path is None:
            return []
        wanted = f"Bearer {read_secret(path, '--http-token-file')}".encode()

        @web.middleware
        async def authorised(request: web.Request, handler: _Handler) -> web.StreamResponse:
            given = request.headers.get("Authorization", "").encode(errors="surrogateescape")
            if request.path not in _OPEN_PATHS and not hmac.compare_digest(given, wanted):
                return _json({"error": "a bearer token is needed"}, status=401)
            return await handler(request)

        return [authorised]

    async def counts(self, request: web.Request) -> web.Response:
        """``/counts?window=5m[&at=ISO time]``: the rolling counts of all partitions."""
        view = self.health.view
        if view is None:
            return _json({"error": "the brokers have not answered yet"}, status=503)
        try:
            answer = view.window(*_parse_question(request.query, self.settings.retention_s))
        except ValueError as error:
            return _json({"error": str(error)}, status=400)
        return web.Response(body=answer.model_dump_json().encode(), content_type="application/json")

    async def healthz(self, _: web.Request) -> web.Response:
        """200 while positions move or nothing lags, 503 when the worker is stuck."""
        stuck_s = round(self.health.stuck_for_s(), 1)
        alive = not self.health.is_stuck()
        return _json({"alive": alive, "without_progress_s": stuck_s}, status=200 if alive else 503)

    async def readyz(self, _: web.Request) -> web.Response:
        """200 when bundle, partitions and table are there, else 503 with what is missing."""
        missing = self.health.missing()
        return _json({"ready": not missing, "missing": missing}, status=503 if missing else 200)

    async def metrics_text(self, _: web.Request) -> web.Response:
        """Prometheus text format."""
        if self.health.view is not None:
            self.metrics.progress(self.health.view.progress())
        return web.Response(body=generate_latest(self.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def model(self, _: web.Request) -> web.Response:
        """The manifest of the bundle that labels."""
        if self.manifest is None:
            return _json({"error": "the bundle is not loaded"}, status=503)
        return web.Response(body=self.manifest.model_dump_json().encode(), content_type="application/json")


def _parse_question(query: Mapping[str, str], longest_s: float) -> tuple[float, datetime | None]:
    if unknown := query.keys() - {"window", "at"}:
        raise ValueError(f"unknown parameter {min(unknown)!r}; window and at are known")
    window, at = query.get("window"), query.get("at")
    return (
        min(_DEFAULT_WINDOW_S, longest_s) if window is None else parse_window(window, longest_s),
        None if at is None else parse_moment(at),
    )


def parse_window(text: str, longest_s: float) -> float:
    """``60s``, ``5m``, ``1h`` or plain seconds, as seconds.

    Raises:
        ValueError: not of this form, zero, or longer than the retention.
    """
    match = _WINDOW.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"window {text!r} is not of the form 60s, 5m or 1h")
    seconds = float(match[1]) * _UNITS_S[match[2] or "s"]
    if not 0 < seconds <= longest_s:
        raise ValueError(f"window {text!r} must be above 0 and at most the retention, {longest_s:g} s")
    return seconds


def parse_moment(text: str) -> datetime:
    """An ISO 8601 time, UTC where it names no offset; a ``+`` comes as the space that it means in a query.

    Raises:
        ValueError: not of this form.
    """
    moment = datetime.fromisoformat(_TIME_SPACE_OFFSET.sub(r"\1+\2", text))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json", status=status)
