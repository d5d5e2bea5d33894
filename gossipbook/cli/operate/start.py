"""``gossipbook start``: run one peer until it is told to stop."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import click
import trio

from gossipbook.cli.operate.config import load_config
from gossipbook.cli.operate.endpoint import write_endpoint
from gossipbook.cli.output import console, json_option, print_json, reports_errors
from gossipbook.consensus.records import PairHalted, TermChanged
from gossipbook.errors import ConfigError
from gossipbook.manifest import Manifest
from gossipbook.net.runtime import Runtime, open_runtime
from gossipbook.net.service import Service
from gossipbook.net.settings import NetSettings


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
@click.option("--preset", type=click.Choice(["local", "lan", "wan"]), help="Patience of retries.")
@json_option
@reports_errors
def start(folder: Path, as_json: bool, **flags: Any) -> None:
    """Run the peer of a folder.

    It runs until SIGINT (Ctrl-C) or SIGTERM; a second SIGINT ends it at once.
    """
    if not (folder / "keys" / "peer.key").exists():
        raise ConfigError(f"{folder} is not a peer's folder: it has no keys/peer.key. {_hint(folder)}")
    config = load_config(folder, flags)
    trio.run(_run, config.manifest(folder), config.settings(folder), as_json)


def _hint(folder: Path) -> str:
    """What was probably meant."""
    inside = sorted(path.parent.parent for path in folder.glob("*/keys/peer.key"))
    if inside:
        return f"Did you mean {inside[0]}?"
    return f"Make a key with: gossipbook keys new {folder / 'keys' / 'peer.key'}"


async def _run(manifest: Manifest, settings: NetSettings, as_json: bool) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with open_runtime(manifest, settings) as runtime:
            Service(runtime)
            runtime.driver.subscribers.append(_Reporter(as_json))
            _announce_ready(runtime, as_json)
            async for received in signals:
                _say(as_json, {"event": "stopping", "signal": signal.Signals(received).name})
                break
            signal.signal(signal.SIGINT, _force)


def _force(_signal: int, _frame: Any) -> None:
    os._exit(130)


def _announce_ready(runtime: Runtime, as_json: bool) -> None:
    """Say where this peer is, and leave word in its folder for commands that talk to it."""
    ready = {
        "event": "ready",
        "pid": os.getpid(),
        "addresses": list(map(str, runtime.addresses)),
        "listen": runtime.local_address,
        "dht": None if runtime.dht is None else "{}:{}".format(*runtime.dht.address),
        "chain_id": runtime.manifest.chain_id.hex(),
    }
    assert runtime.settings.folder is not None
    write_endpoint(runtime.settings.folder, ready)
    _say(as_json, ready)
    for pair in runtime.peer.pairs.values():
        if pair.replica.member.observer_reason:
            _say(as_json, {"event": "observer", "pair": pair.symbol, "reason": pair.replica.member.observer_reason})


class _Reporter:
    """Log lines for what an operator should see."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json

    def __call__(self, event: object) -> None:
        match event:
            case TermChanged(pair, term, why):
                _say(self._as_json, {"event": "term", "pair": pair, "term": term, "why": why})
            case PairHalted(pair, reason, _):
                _say(self._as_json, {"event": "halted", "pair": pair, "reason": reason})
            case _:
                pass


def _say(as_json: bool, event: dict[str, Any]) -> None:
    if as_json:
        print_json(event)
    else:
        shown = {key: ",".join(value) if isinstance(value, list) else value for key, value in event.items()}
        details = " ".join(f"{key}={value}" for key, value in shown.items() if key != "event")
        console().print(f"{event['event']}: {details}", markup=False)
        sys.stdout.flush()
