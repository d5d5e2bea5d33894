"""Four real peers under what once stopped a pair for good: honest orders are certified soon, all the time and after."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import trio
from net.support import shaken

from gossipbook.client_messages import Query, Submit
from gossipbook.consensus.messages import Bodies
from gossipbook.demo.network import DemoNetwork
from gossipbook.gossip.messages import Push
from gossipbook.identity import Identity
from gossipbook.matching.commands import OrderType, Place, PlaceSpecial, Side, TimeInForce
from gossipbook.trade.opening import open_client
from gossipbook.trade.wallet import Wallet
from gossipbook.wire.codec import encode_message
from gossipbook.wire.framing import join_frame
from gossipbook.wire.handshake import Role

from .flood import SYMBOL, Trader, four_peers, told_by
from .strangers import Trickster

SOON_S = 2.0
"""What is promised of an honest order; and, for machines that are busy with other tests, so many calm waits."""
CALM_WAITS = 40
ATTACK_S, AFTER_S, GAP_S = 4.0, 1.0, 0.2
ICEBERGS, SLICES = 4_000, 100
PARKED_KEYS = 1_500
ODD_NUMBERS = ("-1", str(2**63), str(2**64), "9" * 120, "1e3", "١", "1_0", " 1", "", "0x1")

Attack = Callable[[DemoNetwork, list[Any]], Awaitable[None]]


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[DemoNetwork]:
    async with four_peers(tmp_path) as made:
        yield made


async def poison(network: DemoNetwork, _links: list[Any]) -> None:
    """Icebergs of a hundred slices each, and one order that takes them all, from keys that anybody may have."""
    maker, taker = (Wallet(Identity(random.randbytes(32)), network.manifest.chain_id) for _ in range(2))
    async with open_client(network.peers[0].address, network.manifest.chain_id) as client:
        for first in range(1, ICEBERGS, 200):
            orders = [_iceberg(first + n) for n in range(200)]
            op = maker.sign(SYMBOL, orders)
            with trio.fail_after(30):
                await (await client.submit(op)).certified()
        lots = ICEBERGS * SLICES
        await client.submit(taker.sign(SYMBOL, [Place(1, Side.BUY, OrderType.LIMIT, 900, lots, TimeInForce.IOC)]))


def _iceberg(client_id: int) -> PlaceSpecial:
    return PlaceSpecial(client_id, Side.SELL, OrderType.LIMIT, 500, SLICES, TimeInForce.GTC, display_lots=1)


async def bring_evidence(network: DemoNetwork, links: list[Any]) -> None:
    """Evidence against throwaway keys, another one for each peer, large and small, so that sizes would differ."""
    trickster = Trickster(network.manifest, random.Random(5))
    for number in range(60):
        for peer, link in enumerate(links):
            trickster.rng.seed(number)  # The same key everywhere ...
            key = Identity(trickster.rng.randbytes(32))
            size = 200 if number % len(links) != peer else 1
            ops = [
                trickster.first_op(key, 0, *(trickster.order(1_000 * salt + n) for n in range(size))) for salt in (1, 2)
            ]
            await send(link, Bodies(SYMBOL, (trickster.evidence_of(ops),)))  # ... and other evidence.


async def park(network: DemoNetwork, links: list[Any]) -> None:
    """Ops that follow nothing, of as many keys as it takes to fill a pool."""
    trickster = Trickster(network.manifest, random.Random(6))
    for number in range(PARKED_KEYS):
        op = trickster.newcomer(seq=1 + number % 100)
        await send(links[number % len(links)], Push(SYMBOL, encode_message(Bodies(SYMBOL, (op,)))))


async def ask_oddly(network: DemoNetwork, _links: list[Any]) -> None:
    """Questions that no program of ours asks, as fast as they go."""
    key = bytes(32).hex()
    words = [("book", SYMBOL, odd) for odd in ODD_NUMBERS] + [("order", SYMBOL, key, odd) for odd in ODD_NUMBERS]
    words += [("receipt", SYMBOL, key, odd, odd) for odd in ODD_NUMBERS] + [("explain", SYMBOL, key, "1")] * 10
    words += [("fills", SYMBOL, key, odd, odd, odd) for odd in ODD_NUMBERS]
    words += [("candles", SYMBOL, "1m", odd, odd, odd) for odd in ODD_NUMBERS] + [
        ("statement", "", key, "h" + "9" * 40)
    ]
    words += [("find", SYMBOL, key, "\x00"), ("find", SYMBOL, key, "x" * 99), ("orders", SYMBOL, "zz", *"abcd")]
    words += [("status",) * 8, ("head", SYMBOL, "zz"), ("pair", "\u202e" * 32), ("book",), ("nothing", *"abcdefg")]
    async with shaken(network.peers[0].address, network.manifest) as asking, trio.open_nursery() as nursery:
        nursery.start_soon(_drain, asking)
        for turn in range(20):
            questions = [Query(turn, word[0][:32], tuple(each[:128] for each in word[1:9])) for word in words]
            await asking.send_message(join_frame(map(encode_message, questions)))
            await trio.sleep(0.05)
        nursery.cancel_scope.cancel()


async def submit_junk(network: DemoNetwork, _links: list[Any]) -> None:
    """Ops beyond a gap and of throwaway keys, from a client of each peer but one: each slows its own client down."""
    trickster = Trickster(network.manifest, random.Random(7))
    junk = [trickster.newcomer(seq=number % 3) for number in range(PARKED_KEYS)]

    async def bring(to: int) -> None:
        async with shaken(network.peers[to].address, network.manifest) as client, trio.open_nursery() as nursery:
            nursery.start_soon(_drain, client)
            for op in junk[to - 1 :: 3]:
                await client.send_message(join_frame([encode_message(Submit(op))]))
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for to in range(1, 4):
            nursery.start_soon(bring, to)


async def _drain(connection: Any) -> None:
    while True:
        await connection.get_message()


async def send(link: Any, message: Any) -> None:
    await link.send_message(join_frame([encode_message(message)]))


async def longest_wait(traders: list[Trader], seconds: float) -> float:
    """Place an order again and again; the longest that one took."""
    waits = []
    end = trio.current_time() + seconds
    while trio.current_time() < end:
        waits.append(await traders[len(waits) % len(traders)].trade())
        await trio.sleep(GAP_S)
    return max(waits)


@pytest.mark.parametrize(
    ("attack", "told"),
    [
        (poison, ""),
        (bring_evidence, ""),
        (park, ""),
        (ask_oddly, ""),
        (submit_junk, "of an unknown author"),
    ],
    ids=lambda each: each.__name__ if callable(each) else "",
)
async def test_an_honest_order_is_certified_soon(network: DemoNetwork, attack: Attack, told: str) -> None:
    chain = network.manifest.chain_id
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(open_client(p.address, chain, links=1)) for p in network.peers]
        links = [
            await stack.enter_async_context(shaken(peer.address, network.manifest, role=Role.PEER))
            for peer in network.peers
        ]
        traders = [Trader(network, client) for client in clients]
        calm_s = await longest_wait(traders, 2.0)
        soon_s = max(SOON_S, CALM_WAITS * calm_s)
        waits = []

        async def trade() -> None:
            waits.append(await longest_wait(traders, ATTACK_S))

        async with trio.open_nursery() as nursery:
            for link in links:
                nursery.start_soon(_drain_quietly, link)
            async with trio.open_nursery() as both:
                both.start_soon(trade)
                both.start_soon(attack, network, links)
            waits.append(await longest_wait(traders, AFTER_S))
            nursery.cancel_scope.cancel()
        assert max(waits) <= soon_s, f"{max(waits):.2f} s; {calm_s:.2f} s when it was calm"
    statuses = [await told_by(peer.address, chain) for peer in network.peers]
    for peer, status in zip(network.peers, statuses, strict=True):
        assert peer.up
        assert "Traceback" not in (peer.folder / "log.txt").read_text()
        (pair,) = status["pairs"]
        assert (pair["state"], pair["absent"]) == ("certifying", [])
    if told:
        assert any(told in reason for status in statuses for reason in status["rejected"])


async def _drain_quietly(link: Any) -> None:
    """A stranger's link may be closed for what it sends."""
    try:
        await _drain(link)
    except Exception:  # noqa: BLE001 - however it ends
        return
