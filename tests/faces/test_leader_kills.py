"""Two leaders of four peers are killed while a program trades through a face: every order is certified exactly once."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

import gossipbook.aio
import gossipbook.sync
from gossipbook.audit import Verdict, verify_exports
from gossipbook.audit.export import ExportFile, read_block
from gossipbook.demo.network import DemoNetwork, PeerProcess
from gossipbook.identity import SEED_BYTES

from .support import PAIR

ORDERS = 5_000
AUTHORS = 4
AT_ONCE = 64
KILLS = 2
CERTIFIED_S = 120.0


@pytest.fixture
def network(tmp_path: Path) -> Iterator[DemoNetwork]:
    made = DemoNetwork(tmp_path, pairs=(PAIR,), peers=4)
    try:
        trio.run(made.start)
        yield made
    finally:
        made.kill_all()


@dataclass(frozen=True)
class Placed:
    """An order as the program was told of it."""

    author: bytes
    client_id: int
    op_id: bytes
    height: int


class Orders:
    """What is to be placed, what was certified, and who waits for how much of that."""

    def __init__(self, network: DemoNetwork) -> None:
        chain_id = network.manifest.chain_id
        identities = [gossipbook.Identity(os.urandom(SEED_BYTES)) for _ in range(AUTHORS)]
        self.wallets = [gossipbook.Wallet(identity, chain_id) for identity in identities]
        self.certified: list[Placed] = []
        self._grown = threading.Condition()

    def terms(self, number: int) -> tuple[gossipbook.Wallet, str, int]:
        """Whose order it is, its side, and its price in ticks; about every second one finds another to trade with."""
        return self.wallets[number % AUTHORS], ("buy", "sell")[number // 2 % 2], 1_000 + number % 7

    def note(self, author: bytes, client_id: int, done: gossipbook.Certified) -> None:
        with self._grown:
            self.certified.append(Placed(author, client_id, done.op_id, done.height))
            self._grown.notify_all()

    def wait_for(self, count: int) -> None:
        with self._grown:
            assert self._grown.wait_for(lambda: len(self.certified) >= count, CERTIFIED_S), f"{count} are not certified"


def leader(network: DemoNetwork, client: gossipbook.sync.Client) -> PeerProcess:
    """Whom a peer takes for the leader now."""
    answer = client.query("members", PAIR)
    key = answer["members"][answer["leader"]]["public_key"]
    name = next(matcher.name for matcher in network.manifest.matchers if matcher.public_key.hex() == key)
    return network.named(name)


def kill_leaders(network: DemoNetwork, orders: Orders) -> list[str]:
    """Kill who leads, and start it again when some more orders are certified without it; twice."""
    killed = []
    with gossipbook.sync.open_client(addresses(network), network.manifest.chain_id) as client:
        for turn in range(1, KILLS + 1):
            orders.wait_for(turn * ORDERS // (KILLS + 1))
            chosen = leader(network, client)
            chosen.kill()
            killed.append(chosen.name)
            before = len(orders.certified)
            assert before < ORDERS, "it was killed too late"
            orders.wait_for(min(before + ORDERS // 20, ORDERS))
            trio.run(chosen.start)
    return killed


def addresses(network: DemoNetwork) -> list[str]:
    return [peer.address for peer in network.peers]


def trade_under_asyncio(network: DemoNetwork, orders: Orders) -> list[str]:
    async def main() -> list[str]:
        room = asyncio.Semaphore(AT_ONCE)
        async with gossipbook.aio.open_client(addresses(network), network.manifest.chain_id) as client:
            pair = await client.pair(PAIR)

            async def trade(number: int) -> None:
                wallet, side, price_ticks = orders.terms(number)
                async with room:
                    order = await pair.place(wallet, side, price_ticks=price_ticks, qty_lots=1, within_s=CERTIFIED_S)
                    orders.note(order.author, order.client_id, await order.certified(within_s=CERTIFIED_S))

            async with asyncio.TaskGroup() as group:
                killing = group.create_task(asyncio.to_thread(kill_leaders, network, orders))
                for number in range(ORDERS):
                    group.create_task(trade(number))
            return killing.result()

    return asyncio.run(main())


def trade_in_threads(network: DemoNetwork, orders: Orders) -> list[str]:
    with (
        gossipbook.sync.open_client(addresses(network), network.manifest.chain_id) as client,
        ThreadPoolExecutor(AT_ONCE + 1) as threads,
    ):
        pair = client.pair(PAIR)

        def trade(number: int) -> None:
            wallet, side, price_ticks = orders.terms(number)
            order = pair.place(wallet, side, price_ticks=price_ticks, qty_lots=1, within_s=CERTIFIED_S)
            orders.note(order.author, order.client_id, order.certified(within_s=CERTIFIED_S))

        killing = threads.submit(kill_leaders, network, orders)
        for _ in threads.map(trade, range(ORDERS)):
            pass
        return killing.result()


def exports(network: DemoNetwork) -> list[Path]:
    """Stop all peers, and export what each has on its disk."""
    trio.run(network.stop)
    files = []
    for peer in network.peers:
        files.append(peer.folder / "chain.ndjson")
        command = [sys.executable, "-m", "gossipbook", "export", PAIR, "--home", str(peer.folder), "-o", str(files[-1])]
        subprocess.run(command, check=True, capture_output=True, timeout=CERTIFIED_S)
    return files


def certified_ops(file: Path) -> list[tuple[bytes, int]]:
    """Every op of an export with its block's height, as often as it is in one."""
    export, found = ExportFile(file), []
    export.next_line()  # the header
    while (line := export.next_line()) is not None:
        block = read_block(line)
        found += [(op.id, block.height) for op in block.ops]
    export.close()
    return found


@pytest.mark.parametrize("trade", [trade_under_asyncio, trade_in_threads], ids=["asyncio", "sync"])
def test_every_order_is_certified_exactly_once_though_leaders_are_killed(network: DemoNetwork, trade) -> None:
    orders = Orders(network)
    began_s = time.monotonic()
    killed = trade(network, orders)
    took_s = time.monotonic() - began_s
    assert len(killed) == KILLS
    told = orders.certified
    assert len(told) == len({(order.author, order.client_id) for order in told}) == ORDERS
    files = exports(network)
    report = verify_exports(files, manifest=network.manifest)
    assert report.verdict == Verdict.VALID, report.reasons
    longest = max((certified_ops(file) for file in files), key=len)
    counts = Counter(op_id for op_id, _ in longest)
    assert set(counts.values()) == {1}, "no op is in two blocks"
    assert counts.keys() == {order.op_id for order in told}, "each that was signed, and no other"
    assert dict(longest) == {order.op_id: order.height for order in told}, "in the block that the program was told of"
    assert (report.certified_ops, report.certified_commands, report.double_fills) == (ORDERS, ORDERS, 0)
    assert report.fills > 0
    print(f"{ORDERS} orders, {', '.join(killed)} killed while leading: {took_s:.1f} s, {report.fills} fills")
