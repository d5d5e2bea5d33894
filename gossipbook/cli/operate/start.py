"""``gossipbook start``: run one peer until it is told to stop."""

import gc
import json
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import click
import trio

from gossipbook.cli import SIGNALS_SEEN
from gossipbook.cli.operate.config import FileConfig, load_config
from gossipbook.cli.operate.endpoint import write_endpoint, write_starting
from gossipbook.cli.operate.gateway_child import keep_gateway
from gossipbook.cli.operate.log_lines import FORMATTERS, LEVELS, LineWriter, log_to
from gossipbook.cli.output import json_option, reports_errors
from gossipbook.consensus.records import PairHalted, TermChanged
from gossipbook.errors import ConfigError, GossipbookError, ungrouped
from gossipbook.manifest import Manifest
from gossipbook.monitor.notify import keep_notifying, notify
from gossipbook.monitor.server import Monitor
from gossipbook.net.descriptors import fit
from gossipbook.net.opening import Progress, assembled, going
from gossipbook.net.reporting import Reporting
from gossipbook.net.runtime import RELOADABLE, Runtime
from gossipbook.net.service import Service
from gossipbook.net.settings import NetSettings

log = logging.getLogger("gossipbook.peer")

TELL_START_S = 0.5
GC_THRESHOLDS = (10_000, 10, 10)
"""A peer makes little garbage in circles; by Python's own thresholds the collector takes up a twentieth of its time."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--network", help="The manifest file.  [default: from config.toml]")
@click.option("--listen", help="host:port for links from peers and clients.")
@click.option("--advertise", multiple=True, help="What to tell others to dial, if not that. Repeat for more.")
@click.option("--dht-listen", help="host:port (UDP) of the DHT node.")
@click.option("--dht-advertise", help="host:port (UDP) to tell other DHT nodes, if not that.")
@click.option("--bootstrap", multiple=True, help="host:port (UDP) of a DHT node to join through. Repeat for more.")
@click.option("--peer", "peers", multiple=True, help="Address of a peer to dial without asking the DHT. Repeat.")
@click.option("--pair", "pairs", multiple=True, help="Follow only these pairs. Repeat for more.")
@click.option("--gateway", help="host:port of a gateway to run beside the peer.")
@click.option("--monitor", help="host:port, on loopback, of health checks and metrics; '' for none.")
@click.option("--preset", type=click.Choice(["local", "lan", "wan"]), help="Patience of retries.")
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True, help="Least level logged.")
@click.option(
    "--log-format", type=click.Choice([*FORMATTERS]), default="text", show_default=True, help="Log lines' form."
)
@json_option
@reports_errors
def start(folder: Path, as_json: bool, log_level: str, log_format: str, **flags: Any) -> None:
    """Run the peer of a folder.

    It runs until SIGINT (Ctrl-C) or SIGTERM; a second SIGINT ends it at once. SIGHUP has it read its configuration
    again. It logs to standard error.
    """
    if not (folder / "keys" / "peer.key").exists():
        raise ConfigError(f"{folder} is not a peer's folder: it has no keys/peer.key. {_hint(folder)}")
    config = load_config(folder, flags)
    out, err = LineWriter(sys.stdout), LineWriter(sys.stderr)
    lines = Lines(out, as_json=as_json)
    log_to(err, log_level, log_format)
    try:
        reload = partial(_reload, folder, flags, config)
        with _monitor(config) as monitor:
            trio.run(
                _run, config.manifest(folder), fit(config.settings(folder)), lines, reload, config.gateway, monitor
            )
    except* KeyboardInterrupt:  # a signal before the peer was ready
        lines.say({"event": "stopping", "signal": "while starting"})
    finally:
        out.close()
        err.close()


@contextmanager
def _monitor(config: FileConfig) -> Iterator[Monitor | None]:
    """Health checks and metrics from the first moment on."""
    if not config.monitor_address:
        yield None
        return
    monitor = Monitor(config.monitor_address)
    monitor.start()
    try:
        yield monitor
    finally:
        monitor.close()


def _hint(folder: Path) -> str:
    """What was probably meant."""
    inside = sorted(path.parent.parent for path in folder.glob("*/keys/peer.key"))
    if inside:
        return f"Did you mean {inside[0]}?"
    return f"Make a key with: gossipbook keys new {folder / 'keys' / 'peer.key'}"


async def _run(
    manifest: Manifest,
    settings: NetSettings,
    lines: "Lines",
    reload: Callable[[Runtime], None],
    gateway: str,
    monitor: Monitor | None,
) -> None:
    # A signal is an event once the peer is assembled: an interrupt in the midst of anything could be lost there.
    heeded = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    with (
        ungrouped(),
        assembled(manifest, settings, lines.starting(settings, monitor)) as runtime,
        trio.open_signal_receiver(*heeded) as signals,
    ):
        async with trio.open_nursery() as nursery:
            stop = Stop(nursery.cancel_scope)
            if SIGNALS_SEEN:
                stop.ask()
            nursery.start_soon(_heed, signals, lines, partial(reload, runtime), stop)
            async with going(runtime), trio.open_nursery() as inner:
                Service(runtime)
                runtime.driver.subscribers.append(lines.on_event)
                reporting = Reporting(runtime)
                inner.start_soon(runtime.driver.guard.keep, "reporting", reporting.run)
                _settle_memory()
                if monitor is not None:
                    monitor.watch(runtime)
                lines.ready(runtime, monitor)
                notify("READY=1")
                inner.start_soon(keep_notifying)
                if gateway:
                    assert settings.folder is not None
                    inner.start_soon(keep_gateway, settings.folder, gateway)
                await stop.asked()
                notify("STOPPING=1")
                reporting.tell_bulk()
                inner.cancel_scope.cancel()
            nursery.cancel_scope.cancel()


def _settle_memory() -> None:
    """Keep the garbage collector's pauses short: what the start has made stays, and need not be looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


class Stop:
    """Ends a peer: one that starts at once, one that runs in order."""

    def __init__(self, starting: trio.CancelScope) -> None:
        self._starting: trio.CancelScope | None = starting
        self._event = trio.Event()

    def ask(self) -> None:
        """Have it end."""
        self._event.set()
        if self._starting is not None:
            self._starting.cancel()

    async def asked(self) -> None:
        """The start is over: wait for the end."""
        self._starting = None
        await self._event.wait()


async def _heed(signals: AsyncIterator[int], lines: "Lines", reload: Callable[[], None], stop: Stop) -> None:
    async for received in signals:
        if received == signal.SIGHUP:
            reload()
            continue
        lines.say({"event": "stopping", "signal": signal.Signals(received).name})
        signal.signal(signal.SIGINT, _force)
        stop.ask()


def _reload(folder: Path, flags: dict[str, Any], started: FileConfig, runtime: Runtime) -> None:
    """Read the configuration again, take over what can be, and say what cannot."""
    try:
        config = load_config(folder, flags)
        same_network = config.manifest(folder).digest == runtime.manifest.digest
        runtime.reload(config.settings(folder))
    except (GossipbookError, OSError) as error:
        log.error("SIGHUP: nothing was read anew: %s", error)
        return
    changed = [field.name for field in fields(config) if getattr(config, field.name) != getattr(started, field.name)]
    later = [name for name in changed if name not in RELOADABLE] + ([] if same_network else ["what network names"])
    log.info("SIGHUP: %s read anew", ", ".join(RELOADABLE))
    if later:
        log.warning("SIGHUP: changed, and taken over by a restart only: %s", ", ".join(later))


def _force(_signal: int, _frame: Any) -> None:
    os._exit(130)


class Lines:
    """What programs that start a peer read on its standard output: one line for each of a few events."""

    def __init__(self, writer: LineWriter, *, as_json: bool) -> None:
        self._writer = writer
        self._as_json = as_json

    def starting(self, settings: NetSettings, monitor: Monitor | None = None) -> Progress:
        """Return what keeps word in the peer's folder of how far its start is."""
        began_s = told_s = time.monotonic()

        def progress(done: int, total: int) -> None:
            nonlocal told_s
            now_s = time.monotonic()
            if now_s < told_s + TELL_START_S or settings.folder is None:
                return
            told_s = now_s
            if monitor is not None:
                monitor.progress = f"starting, at block {done:,} of {total:,}"
            notify(f"STATUS=starting, at block {done:,} of {total:,}\nEXTEND_TIMEOUT_USEC=60000000")
            left_s = round((now_s - began_s) * (total - done) / done)
            write_starting(settings.folder, done, total)
            log.info("starting, at block %s of %s, about %d s more", f"{done:,}", f"{total:,}", left_s)

        return progress

    def ready(self, runtime: Runtime, monitor: Monitor | None = None) -> None:
        """Say where this peer is, and leave word in its folder for commands that talk to it."""
        ready = {
            "event": "ready",
            "pid": os.getpid(),
            "addresses": list(map(str, runtime.addresses)),
            "listen": runtime.local_address,
            "dht": None if runtime.dht is None else "{}:{}".format(*runtime.dht.address),
            "chain_id": runtime.manifest.chain_id.hex(),
            "monitor": monitor.address if monitor is not None else "",
        }
        assert runtime.settings.folder is not None
        write_endpoint(runtime.settings.folder, ready)
        self.say(ready)
        for pair in runtime.peer.pairs.values():
            if pair.replica.member.observer_reason:
                self.say({"event": "observer", "pair": pair.symbol, "reason": pair.replica.member.observer_reason})

    def on_event(self, event: object) -> None:
        """Say what an operator's programs wait for."""
        match event:
            case TermChanged(pair, term, why):
                self.say({"event": "term", "pair": pair, "term": term, "why": why})
            case PairHalted(pair, reason, _):
                self.say({"event": "halted", "pair": pair, "reason": reason})
            case _:
                pass

    def say(self, event: dict[str, Any]) -> None:
        """Have one line written."""
        if self._as_json:
            self._writer.put(json.dumps(event, separators=(", ", ": ")))
            return
        shown = {key: ",".join(value) if isinstance(value, list) else value for key, value in event.items()}
        details = " ".join(f"{key}={value}" for key, value in shown.items() if key != "event")
        self._writer.put(f"{event['event']}: {details}")
