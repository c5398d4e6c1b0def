"""The HTTP side: on the loopback, reading only, behind a token where one is set."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from aiohttp import ClientSession

from tests.apps import WORKER, settle
from worker.app import EmotionApp
from worker.errors import CannotListen, SecretUnreadable
from worker.health import Health
from worker.metrics import Metrics
from worker.settings import WorkerSettings
from worker.view import CountsView
from worker.web import WebSide, _parse_question, parse_moment, parse_window

T = TypeVar("T")
TOKEN = "t0ken-of-the-web-side"  # noqa: S105 - protects nothing
PATHS = ["/counts", "/healthz", "/readyz", "/metrics", "/model"]


def serving(
    settings: WorkerSettings, ask: Callable[[ClientSession, str], Awaitable[T]], health: Health | None = None
) -> T:
    """Start the HTTP side on a free port and ask it something."""

    async def run() -> T:
        runner = await WebSide(settings, health or Health(60.0), Metrics()).start()
        try:
            host, port = runner.addresses[0][:2]
            async with ClientSession() as session:
                return await ask(session, f"http://{host}:{port}")
        finally:
            await runner.cleanup()

    return asyncio.run(run())


def status(
    settings: WorkerSettings, method: str, path: str, token: str | None = None, health: Health | None = None
) -> int:
    async def ask(session: ClientSession, base: str) -> int:
        headers = {} if token is None else {"Authorization": token}
        async with session.request(method, base + path, headers=headers) as answer:
            return answer.status

    return serving(settings, ask, health)


def test_it_listens_on_the_loopback_only_unless_told_otherwise() -> None:
    async def base(_: ClientSession, base: str) -> str:
        return base

    assert serving(WorkerSettings(http_port=0), base).startswith("http://127.0.0.1:")


def test_an_address_or_a_port_that_cannot_be_had_names_its_own_option() -> None:
    with pytest.raises(CannotListen, match=r"192\.0\.2\.1:0 .*--http-host"):
        status(WorkerSettings(http_host="192.0.2.1", http_port=0), "GET", "/counts")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(CannotListen, match="--http-port"):
            status(WorkerSettings(http_port=taken.getsockname()[1]), "GET", "/counts")


@pytest.mark.parametrize("path", ["/counts", "/model", "/readyz"])
def test_what_is_not_there_yet_is_told_as_such(path: str) -> None:
    assert status(WorkerSettings(http_port=0), "GET", path) == 503


@pytest.mark.parametrize(
    ("question", "code"),
    [
        ("window=5m", 200),
        ("window=5m&at=2026-03-14T09:26:53Z", 200),
        ("window=5x", 400),
        ("windw=5m", 400),
        ("at=yesterday", 400),
        ("at=2999-01-01", 400),
        ("at=0001-01-01", 400),
    ],
)
def test_a_question_that_cannot_be_answered_is_told_as_such(question: str, code: int) -> None:
    health = Health(60.0, view=CountsView(WORKER, 4))
    assert status(WorkerSettings(http_port=0), "GET", f"/counts?{question}", health=health) == code


@pytest.mark.parametrize(
    "question",
    [
        "at=9999-12-31T23:59:59.999999-23:59",
        "at=0001-01-01T00:00:00%2B23:59",
        "at=0001-01-01&window=999999999h",
        "window=999999999.999h",
    ],
)
def test_moments_that_no_calendar_holds_are_told_as_such(question: str) -> None:
    settings = WorkerSettings(http_port=0, retention_s=1e300)
    health = Health(60.0, view=CountsView(settings, 4))
    assert status(settings, "GET", f"/counts?{question}", health=health) == 400


def test_a_worker_that_is_stuck_says_so_and_how_much_waits(app: EmotionApp) -> None:
    health = Health(60.0, app, CountsView(WORKER, 4))
    assert health.view is not None
    health.view.note_ends({0: 99})
    settle(app)
    app.progress.moved_at -= 61
    health._last_idle_at -= 61

    async def metrics(session: ClientSession, base: str) -> list[str]:
        async with session.get(f"{base}/metrics") as answer:
            return (await answer.text()).splitlines()

    settings = WorkerSettings(http_port=0)
    assert status(settings, "GET", "/healthz", health=health) == 503
    assert 'tweet_emotions_lag_messages{partition="0"} 99.0' in serving(settings, metrics, health)


@pytest.mark.parametrize("host", ["foo..bar", "256.1.1.1"])
def test_a_host_that_is_none_is_named(host: str) -> None:
    with pytest.raises(CannotListen, match=rf"cannot listen on {host}:0 .*; choose another with --http-host"):
        status(WorkerSettings(http_port=0, http_host=host), "GET", "/healthz")


@pytest.mark.parametrize(
    "question",
    [b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 20_000, b"POST /counts HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"],
    ids=["answers that nobody reads", "a question without an end"],
)
def test_whoever_does_not_read_or_end_holds_up_no_stop(question: bytes) -> None:
    async def stop() -> float:
        runner = await WebSide(WorkerSettings(http_port=0), Health(60.0), Metrics()).start()
        _, writer = await asyncio.open_connection(*runner.addresses[0][:2])
        writer.write(question)
        await asyncio.sleep(0.2)
        began = time.monotonic()
        await runner.cleanup()
        writer.transport.abort()
        return time.monotonic() - began

    assert asyncio.run(stop()) < 20, "aiohttp waits for 60 s unless it is told otherwise"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_it_only_reads(method: str, path: str) -> None:
    assert status(WorkerSettings(http_port=0), method, path) == 405


@pytest.mark.parametrize("path", ["/counts", "/metrics", "/model", "/other"])
@pytest.mark.parametrize("given", [None, "", "Bearer", "Bearer wrong", TOKEN, f"bearer {TOKEN}x", f"Basic {TOKEN}"])
def test_without_the_token_nothing_is_answered(tmp_path: Path, path: str, given: str | None) -> None:
    assert status(with_token(tmp_path), "GET", path, given) == 401


def test_whoever_supervises_the_worker_needs_no_token(tmp_path: Path) -> None:
    assert status(with_token(tmp_path), "GET", "/healthz") == 200
    assert status(with_token(tmp_path), "GET", "/readyz") == 503


def test_with_the_token_it_answers(tmp_path: Path) -> None:
    assert status(with_token(tmp_path), "GET", "/metrics", f"Bearer {TOKEN}") == 200


def test_a_token_opens_no_way_to_write(tmp_path: Path) -> None:
    assert status(with_token(tmp_path), "POST", "/counts", f"Bearer {TOKEN}") == 405


def test_the_token_is_told_nowhere(tmp_path: Path) -> None:
    async def metrics(session: ClientSession, base: str) -> str:
        async with session.get(f"{base}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
            return await answer.text()

    settings = with_token(tmp_path)
    assert TOKEN not in serving(settings, metrics)
    assert TOKEN not in repr(settings)


def test_an_unreadable_or_empty_token_file_is_an_error_and_no_open_door(tmp_path: Path) -> None:
    for file in (tmp_path / "missing", tmp_path / "empty"):
        (tmp_path / "empty").touch()
        with pytest.raises(SecretUnreadable, match=file.name):
            status(WorkerSettings(http_port=0, http_token_file=file), "GET", "/counts")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-14T09:26:53Z", "2026-03-14T09:26:53+00:00"),
        ("2026-03-14 09:26", "2026-03-14T09:26:00+00:00"),
        ("2026-03-14T09:26:53 02:00", "2026-03-14T09:26:53+02:00"),
        ("2026-03-14T09:26:53.5-05:00", "2026-03-14T09:26:53.500000-05:00"),
    ],
)
def test_a_moment_of_a_query_is_read_with_its_offset(text: str, moment: str) -> None:
    assert parse_moment(text).isoformat() == moment


def test_a_misspelt_parameter_is_refused_and_not_passed_over() -> None:
    with pytest.raises(ValueError, match="windw"):
        _parse_question({"windw": "60s"}, 3600)


def test_who_names_no_window_gets_five_minutes_or_all_that_is_kept() -> None:
    assert [_parse_question({}, longest_s) for longest_s in (3600, 60)] == [(300, None), (60, None)]


def with_token(folder: Path) -> WorkerSettings:
    file = folder / "token"
    file.write_text(f"{TOKEN}\n", encoding="utf-8")
    return WorkerSettings(http_port=0, http_token_file=file)


@pytest.mark.parametrize(("text", "seconds"), [("60s", 60), ("5m", 300), ("1h", 3600), ("90", 90), ("0.5m", 30)])
def test_windows_are_read_with_their_units(text: str, seconds: float) -> None:
    assert parse_window(text, 3600) == seconds


@pytest.mark.parametrize("text", ["", "5 minutes", "-5m", "0s", "2h", "5d", "1e9h", "٣m", "nan"])
def test_a_window_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="window"):
        parse_window(text, 3600)
