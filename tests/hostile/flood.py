"""Four peers as processes, an honest trader, and strangers who flood them: what is measured of it."""

import json
import os
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from gossipbook.demo.network import DemoNetwork
from gossipbook.identity import Identity
from gossipbook.matching.commands import OrderType, Place, Side, TimeInForce
from gossipbook.trade.client import Client
from gossipbook.trade.opening import open_client
from gossipbook.trade.wallet import Wallet

ROOT = Path(__file__).resolve().parent.parent.parent
SYMBOL = "BTC-USD"
TICKS_S = os.sysconf("SC_CLK_TCK")
CERTIFIED_S = 20.0


@asynccontextmanager
async def four_peers(folder: Path) -> AsyncIterator[DemoNetwork]:
    """Four peers, none of which outlives the block."""
    network = DemoNetwork(folder, pairs=(SYMBOL,), peers=4)
    try:
        with trio.fail_after(60):
            await network.start()
        yield network
    finally:
        network.kill_all()


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:13])) / TICKS_S


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Trader:
    """An honest author with one client, whose orders trade with one another."""

    def __init__(self, network: DemoNetwork, client: Client) -> None:
        self.wallet = Wallet(Identity(os.urandom(32)), network.manifest.chain_id)
        self._client = client

    async def trade(self) -> float:
        """Place one order; how long it took until it was certified, in seconds."""
        number = self.wallet.next_client_id(SYMBOL)
        side = Side.BUY if number % 2 else Side.SELL
        order = Place(number, side, OrderType.LIMIT, 100, 1, TimeInForce.GTC, self_trade=2)
        began = trio.current_time()
        with trio.fail_after(CERTIFIED_S):
            await (await self._client.submit(self.wallet.sign(SYMBOL, [order]))).certified()
        return trio.current_time() - began


@dataclass
class Watched:
    """What one stretch of time was like."""

    waits_s: list[float] = field(default_factory=list)
    cores: list[float] = field(default_factory=list)  # of each peer

    def at(self, share: float) -> float:
        """A quantile of the waits, in seconds."""
        ordered = sorted(self.waits_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def told(self) -> str:
        waits = [1_000 * self.at(share) for share in (0.5, 0.99, 1)]
        cores = ", ".join(f"{each:.2f}" for each in self.cores)
        p50, p99, longest = (f"{each:.0f}" for each in waits)
        text = f"{len(self.waits_s)} orders certified in {p50} ms (p50), {p99} (p99), {longest} (all)"
        return f"{text}; cores of each peer: {cores} (mean {statistics.fmean(self.cores):.3f})"


async def trade_for(network: DemoNetwork, traders: list[Trader], seconds: float, per_s: float) -> Watched:
    """Let traders place orders at a steady rate, each order whether or not those before it are certified."""
    watched = Watched()
    pids = [peer.pid for peer in network.peers]
    before = [cpu_s(pid) for pid in pids if pid is not None]
    began = trio.current_time()

    async def one(trader: Trader) -> None:
        watched.waits_s.append(await trader.trade())

    async with trio.open_nursery() as nursery:
        for number in range(int(seconds * per_s)):
            await trio.sleep_until(began + number / per_s)
            nursery.start_soon(one, traders[number % len(traders)])
    passed_s = trio.current_time() - began
    after = [cpu_s(pid) for pid in pids if pid is not None]
    watched.cores = [(b - a) / passed_s for a, b in zip(before, after, strict=True)]
    return watched


@asynccontextmanager
async def strangers(network: DemoNetwork, count: int, seconds: float, cores: float) -> AsyncIterator[Callable[[], Any]]:
    """A program of strangers beside the block; what it gives says, once it has ended, what they sent."""
    addresses = ",".join(peer.address for peer in network.peers)
    words = [str(network.folder / "network.toml"), addresses, str(count), str(seconds), str(cores)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    command = [sys.executable, "-m", "hostile.strangers", *words]
    process = await trio.to_thread.run_sync(
        lambda: subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    )
    try:
        yield lambda: Counter(json.loads(process.communicate()[0]))
    finally:
        process.kill()
        process.wait()


async def told_by(address: str, chain_id: bytes) -> dict[str, Any]:
    """A peer's status."""
    with trio.fail_after(20):
        async with open_client(address, chain_id) as client:
            status: dict[str, Any] = await client.query("status")
            return status
