"""``gossipbook gateway``: HTTP and WebSocket in front of a network, for other languages, trading tools and browsers."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import click

from gossipbook.cli.connect import home_manifest, home_option
from gossipbook.cli.lazy import Home, LazyGroup
from gossipbook.cli.operate.endpoint import read_endpoint
from gossipbook.cli.operate.gateway_key import GATEWAY_FOLDER, client_key_file, gateway_client_key
from gossipbook.cli.operate.log_lines import FORMATTERS, LEVELS, LineWriter, log_to
from gossipbook.cli.output import json_option, read_manifest, reports_errors
from gossipbook.errors import ConfigError

gateway = LazyGroup(
    "gateway",
    homes={
        "Commands": {
            "run": Home("operate.gateway", "Run the gateway until it is told to stop"),
            "account": Home("operate.gateway_account", "Make accounts and their API keys"),
        }
    },
    default="run",
    help="Run HTTP and WebSocket in front of a network.\n\nWithout a command it runs: see gateway run --help.",
)


def gateway_folder(home: Path | None, folder: Path | None) -> Path:
    """The folder with a gateway's accounts: as it is named, or in a peer's folder."""
    if folder is not None:
        return folder
    return Path(GATEWAY_FOLDER) if home is None else home / GATEWAY_FOLDER


folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"The gateway's own folder, with its accounts.  [default: {GATEWAY_FOLDER}, in the peer's folder if named]",
)


@click.command()
@home_option
@click.option("--network", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="The manifest file.")
@click.option("--peer", "peers", metavar="ADDRESS", multiple=True, help="ws:// or wss:// address of a peer. Repeat.")
@click.option("--bootstrap", metavar="HOST:PORT", multiple=True, help="A DHT node to find peers through. Repeat.")
@click.option("--listen", metavar="HOST:PORT", help="Where to serve.  [default: 127.0.0.1:7480]")
@folder_option
@click.option("--host", "hosts", metavar="NAME", multiple=True, help="A name by which it is reached, too. Repeat.")
@click.option("--origin", "origins", metavar="URL", multiple=True, help="A site whose pages may use it. Repeat.")
@click.option("--tls-cert", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="PEM certificate.")
@click.option("--tls-key", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Its key, PEM.")
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True, help="Least level logged.")
@click.option("--log-format", type=click.Choice([*FORMATTERS]), default="text", show_default=True, help="Lines' form.")
@click.option("--until-input-ends", "until_input_ends", is_flag=True, hidden=True)
@json_option
@reports_errors
def run(home: Path | None, network: Path | None, log_level: str, log_format: str, as_json: bool, **given: Any) -> None:
    """Run the gateway until it is told to stop.

    It serves the native API, the dialect of Binance Spot and the page, until SIGINT or SIGTERM.

    Name a peer's folder by --home, or the network by --network with --peer or --bootstrap.
    """
    try:
        from gossipbook.gateway.serve import serve
        from gossipbook.gateway.settings import LISTEN, GatewaySettings
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{error.name} is not installed; a gateway needs: pip install 'gossipbook[gateway]'"
        ) from None
    if home is None and network is None:
        raise click.UsageError("name a peer's folder by --home, or the network by --network")
    manifest = read_manifest(network) if network is not None else home_manifest(Path(str(home)))
    peers = list(given["peers"])
    if home is not None and not peers and not given["bootstrap"]:
        peers = [str(read_endpoint(home)["listen"])]
    folder = gateway_folder(home, given["folder"])
    client = gateway_client_key(folder)
    settings = GatewaySettings(
        manifest=manifest,
        folder=folder,
        client_key=client_key_file(folder),
        peers=tuple(peers),
        bootstrap=tuple(given["bootstrap"]),
        listen=given["listen"] or LISTEN,
        hosts=tuple(given["hosts"]),
        origins=tuple(given["origins"]),
        certificate=given["tls_cert"],
        key=given["tls_key"],
    )
    out, err = LineWriter(sys.stdout), LineWriter(sys.stderr)
    log_to(err, log_level, log_format)

    def ready(url: str) -> None:
        told = {"event": "ready", "pid": os.getpid(), "url": url, "client": client.hex()}
        out.put(
            json.dumps(told) if as_json else "ready: " + " ".join(f"{k}={v}" for k, v in told.items() if k != "event")
        )

    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(serve, settings, ready, until_input_ends=given["until_input_ends"]))
    finally:
        out.close()
        err.close()


async def _serve(serve: Any, settings: Any, ready: Any, *, until_input_ends: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    if until_input_ends:
        loop.add_reader(sys.stdin.fileno(), _on_input, stop)
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stop.set)
    await serve(settings, ready, stop)


def _on_input(stop: asyncio.Event) -> None:
    """Whoever started this holds the other end of its standard input, and says nothing; when they are gone it ends."""
    if not os.read(sys.stdin.fileno(), 4_096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()


def _loop_factory() -> Any:
    """The faster event loop where it is installed."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return None
    return uvloop.new_event_loop
