"""The composition root: puts the parts together, runs them, and ends them in order."""

import asyncio
import contextlib
import faulthandler
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import structlog
import uvloop
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError
from faust.types import StreamT

from worker.agent import ScoreAgent
from worker.app import EmotionApp
from worker.clock import SteadyClock
from worker.data_folder import owned
from worker.errors import BrokerRefused, BrokerUnreachable, WorkerError
from worker.follower import Follower
from worker.health import STUCK_EXIT_CODE, Health
from worker.inference.cache import cached
from worker.inference.engine import Engine, load_engine
from worker.metrics import Metrics
from worker.preflight import check_topics, wait_for_broker
from worker.publisher import Publisher
from worker.rights import check_rights
from worker.serving import Serving
from worker.settings import KafkaSettings, WorkerSettings
from worker.shadow import Shadow, Shadowed
from worker.view import CountsView
from worker.web import WebSide

log = structlog.get_logger("worker")

CRASHED_EXIT_CODE = 1
_WATCH_INTERVAL_S = 1.0


def run_worker(kafka: KafkaSettings, worker: WorkerSettings, load: Callable[..., Engine] = load_engine) -> int:
    """Run until SIGTERM or SIGINT, or until something fails; returns the exit code. ``load`` as `load_engine`.

    Raises:
        WorkerError, InferenceError: the worker cannot start; the message says what to do.
    """
    with owned(worker.data_dir), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(kafka, worker, load))


async def _serve(kafka: KafkaSettings, worker: WorkerSettings, load: Callable[..., Engine]) -> int:
    stopping, halted = asyncio.Event(), threading.Event()

    def stop() -> None:
        stopping.set()
        halted.set()

    def pause(seconds: float) -> None:
        if halted.wait(seconds):
            raise InterruptedError

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    asyncio.get_running_loop().set_exception_handler(_tell_of_lost)
    health, clock = Health(worker.stuck_s), SteadyClock()
    web = WebSide(worker, health, metrics := Metrics())
    runner = await web.start()
    try:
        serving = await asyncio.to_thread(_serving, worker, load, web)
        health.engine_loaded = True
        try:
            metadata = await asyncio.to_thread(wait_for_broker, kafka, pause)
        except InterruptedError:
            return 0
        await asyncio.to_thread(check_rights, kafka, worker)
        partitions = check_topics(metadata, kafka, worker)
        health.view = CountsView(worker, partitions, clock)
        async with _following(Follower(kafka, worker.changelog_topic, partitions, health.view), stopping):
            app = health.app = EmotionApp(kafka, worker, partitions, metrics, clock)
            publisher = Publisher(kafka.client_config(), worker.delivery_timeout_s)
            agent = ScoreAgent(app, lambda: serving.engine, publisher, metrics, kafka, worker, clock)
            with _watching(app, health, serving, worker.bundle_check_s):
                return await _label_stream(app, agent, kafka, worker, stopping)
    finally:
        await runner.cleanup()


def _serving(worker: WorkerSettings, load: Callable[..., Engine], web: WebSide) -> Serving:
    """Load the bundle that labels, and the candidate where there is one. Blocks."""
    shadow = None
    if worker.shadow_bundle is not None:
        candidate = load(worker.shadow_bundle.resolve(), threads=1)
        shadow = Shadow(candidate, worker.shadow_share, web.metrics.compared)
        log.info("candidate loaded", name=candidate.manifest.name, version=candidate.manifest.version)

    def load_with_cache(folder: Path) -> Engine:
        engine = cached(load(folder, threads=worker.threads), worker.cache_entries)
        return engine if shadow is None else Shadowed(engine, shadow)

    def changed(engine: Engine) -> None:
        web.manifest = manifest = engine.manifest
        web.metrics.bundle(manifest.name, manifest.version, engine.precision)
        log.info(
            "bundle loaded",
            name=manifest.name,
            version=manifest.version,
            precision=engine.precision,
            folder=str(worker.bundle),
        )

    return Serving(worker.bundle, load_with_cache, changed, web.metrics.bundle_refused)


@contextlib.asynccontextmanager
async def _following(follower: Follower, stopping: asyncio.Event) -> AsyncIterator[None]:
    """A follower that fails ends the worker: its answers would stand still and look fresh."""
    task = asyncio.create_task(follower.run())
    task.add_done_callback(lambda _: stopping.set())
    try:
        yield
    finally:
        follower.stop()
        await task


@contextlib.contextmanager
def _watching(app: EmotionApp, health: Health, serving: Serving, bundle_check_s: float) -> Iterator[None]:
    tasks = [asyncio.create_task(_watch(health)), asyncio.create_task(_repair(app, health))]
    if bundle_check_s:
        tasks.append(asyncio.create_task(_look_for_bundles(serving, bundle_check_s)))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


async def _label_stream(
    app: EmotionApp, agent: ScoreAgent, kafka: KafkaSettings, worker: WorkerSettings, stopping: asyncio.Event
) -> int:
    raw = app.topic(
        kafka.raw_topic,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
    )

    async def score(stream: StreamT[Any]) -> None:
        await agent.run(stream)

    app.agent(raw, name="score")(score)
    if await _start(app, kafka, stopping, worker.drain_s):
        log.info("worker started", brokers=kafka.bootstrap_servers, raw=kafka.raw_topic, http_port=worker.http_port)
        await app.wait_for_stopped(stopping.wait())
    return await _stop(app, agent, worker, told=stopping.is_set())


async def _start(app: EmotionApp, kafka: KafkaSettings, stopping: asyncio.Event, bound_s: float) -> bool:
    """Start the app; False if it was told to stop meanwhile and had not started ``bound_s`` later.

    Raises:
        BrokerUnreachable: the brokers went away.
    """
    starting, told = asyncio.create_task(app.start()), asyncio.create_task(stopping.wait())
    await asyncio.wait({starting, told}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    try:
        await asyncio.wait_for(starting, bound_s)
    except TimeoutError:
        return False
    except KafkaError as error:
        raise BrokerUnreachable(
            f"the brokers at {kafka.bootstrap_servers} answered and went away while the worker started ({error}); "
            "start it again when they are back"
        ) from error
    return True


async def _stop(app: EmotionApp, agent: ScoreAgent, worker: WorkerSettings, *, told: bool) -> int:
    crash = app.crash_reason
    if crash is not None:
        reason = str(crash) if isinstance(crash, WorkerError) else repr(crash)
        log.error("crashed; the unacknowledged batch will be read again", reason=reason)
    elif not told:
        log.error("the stream ended by itself; what is unacknowledged will be read again")
    else:
        log.info("stopping: draining the batch in flight")
        app.consumer.stop_flow()
        try:
            async with asyncio.timeout(worker.drain_s):
                await app.progress.drained(worker.drain_s)
                await app.consumer.commit()
        except TimeoutError:
            log.warning("what is in flight did not end in time; it will be read again", bound_s=worker.drain_s)
    code = _exit_code(crash, told=told)
    try:
        await asyncio.wait_for(app.stop(), worker.drain_s)
    except TimeoutError:
        log.warning("the connections did not end in time", bound_s=worker.drain_s)
    except Exception as error:  # noqa: BLE001 - the parts of a crashed app may not end well; the reason was told
        log.debug("could not be ended", reason=repr(error))
    if not await agent.close(worker.delivery_timeout_s):
        log.critical("a batch does not end: leaving", bound_s=worker.delivery_timeout_s)
        _print_stacks()
        os._exit(code)  # Python would wait for the thread
    log.info("stopped")
    return code


def _exit_code(crash: BaseException | None, *, told: bool) -> int:
    if crash is None:
        return 0 if told else CRASHED_EXIT_CODE
    if isinstance(crash, GroupAuthorizationFailedError | TopicAuthorizationFailedError):
        return BrokerRefused.exit_code
    return crash.exit_code if isinstance(crash, WorkerError) else CRASHED_EXIT_CODE


def _tell_of_lost(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What asyncio says of errors that nobody waited for, but for those which are a crash's reason and told as such."""
    if isinstance(context.get("exception"), WorkerError | KafkaError):
        log.debug("nobody waited for", what=context["message"], reason=repr(context["exception"]))
    else:
        loop.default_exception_handler(context)


async def _watch(health: Health) -> None:
    """Faust can stop consuming without exiting (faust 532, 523, 629): leave, so that the supervisor restarts us."""
    while True:
        await asyncio.sleep(_WATCH_INTERVAL_S)
        if health.is_stuck():
            log.critical("no progress though there is work: leaving", without_progress_s=health.stuck_for_s())
            _print_stacks()
            os._exit(STUCK_EXIT_CODE)


async def _look_for_bundles(serving: Serving, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        await asyncio.to_thread(serving.look)


async def _repair(app: EmotionApp, health: Health) -> None:
    while True:
        await asyncio.sleep(_WATCH_INTERVAL_S)
        try:
            if health.view is not None:
                app.write_again(health.view.overtaken)
                await app.reread_dropped(health.view.ends)
                await app.deletions.look(app.exact_consumer.earliest_offsets)
        except Exception as error:  # noqa: BLE001 - a rebalance can begin at any moment; the next look comes soon
            log.debug("could not look for what is to be repaired", reason=repr(error))


def _print_stacks() -> None:
    """Where each task and thread stands, on stderr: what a report of a stuck worker needs."""
    for task in asyncio.all_tasks():
        task.print_stack(limit=6, file=sys.stderr)
    faulthandler.dump_traceback(sys.stderr)
