"""A demonstration network that stays: four peers, a gateway, and a little trading, until somebody ends it."""

from collections.abc import Awaitable, Callable
from itertools import islice
from pathlib import Path
from typing import Any, Final

import trio

from gossipbook.demo.gateway import GatewayProcess
from gossipbook.demo.network import DemoNetwork
from gossipbook.demo.source import MAKERS, TAKERS, merged_flow
from gossipbook.demo.traders import Floor

OPS_PER_S: Final = 12.0
COMMANDS_CAP: Final = 500_000
"""After so many commands, a day's, the traders rest; peers and gateway stay."""


async def stay(
    folder: Path,
    listen: str,
    seed: int,
    ops_per_s: float | None,
    on_ready: Callable[[dict[str, Any]], None],
    ended: Callable[[], Awaitable[None]],
) -> None:
    """Run until ``ended`` returns. ``on_ready`` is told where everything is, and with which keys to trade.

    Raises:
        DemoFailed: a process did not start; says why.
    """
    network = DemoNetwork(folder)
    gateway = GatewayProcess(folder / "gateway", folder / "network.toml", listen)
    network.admit(gateway.client)
    try:
        await network.start()
        await gateway.start([peer.address for peer in network.peers])
        async with trio.open_nursery() as nursery:
            if ops_per_s != 0:
                nursery.start_soon(_trade, network, folder, seed, ops_per_s or OPS_PER_S)
            on_ready(_told(network, gateway))
            await ended()
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await gateway.stop()
            await network.stop()
        network.kill_all()


async def _trade(network: DemoNetwork, folder: Path, seed: int, ops_per_s: float) -> None:
    floor = Floor(
        chain_id=network.manifest.chain_id,
        addresses=[peer.address for peer in network.peers],
        client=network.client,
        authors=MAKERS + TAKERS,
        commands_per_op=1,
        ops_per_s=ops_per_s,
        seed=seed,
        acks_file=folder / "acks.ndjson",
    )
    steps, _ = merged_flow(network.manifest.symbols(), None, None, seed)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(floor.run)
        nursery.start_soon(floor.feed, islice(steps, COMMANDS_CAP), {})


def _told(network: DemoNetwork, gateway: GatewayProcess) -> dict[str, Any]:
    return {
        "event": "ready",
        "url": gateway.url,
        "gateway_pid": gateway.pid,
        "folder": str(network.folder),
        "network": str(network.folder / "network.toml"),
        "pairs": network.manifest.symbols(),
        "peers": [{"name": peer.name, "pid": peer.pid, "address": peer.address} for peer in network.peers],
        "accounts": [
            {"account": each.name, "key": each.key_id, "secret": each.secret, "token": each.token}
            for each in gateway.accounts
        ],
    }
