"""The same trading by an embedded peer's pair and by a client's: special orders and switches, in a network of one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

import gossipbook
from gossipbook.embedded import EmbeddedPair
from gossipbook.errors import ConfigError
from gossipbook.storage.keys import create_key, load_key
from gossipbook.trade.client_pair import ClientPair
from gossipbook.trade.tickets import BadOrder, LaterRules

PAIR = "BTC-USD"
ENOUGH_S = 30.0


@asynccontextmanager
async def trading(folder: Path, rules_version: int = 2) -> AsyncIterator[tuple[gossipbook.EmbeddedPeer, ClientPair]]:
    """A network of one with a warden, and a client of it."""
    peer_key, warden = create_key(folder / "keys" / "peer.key"), create_key(folder / "warden.key")
    matcher = gossipbook.Matcher("solo", peer_key.public_key, "solo")
    pairs = (gossipbook.Pair(PAIR, price_band_bps=5_000),)
    wardens = (warden.public_key,)
    manifest = gossipbook.Manifest("solo", pairs, (matcher,), 1, "crash", rules_version=rules_version, wardens=wardens)
    with trio.fail_after(ENOUGH_S):
        async with (
            gossipbook.open_peer(manifest, folder=folder, dht=False) as peer,
            gossipbook.open_client(peer.addresses[0], manifest.chain_id) as client,
        ):
            yield peer, await client.pair(PAIR)


async def test_special_orders_from_both_doors(tmp_path: Path) -> None:
    async with trading(tmp_path) as (peer, there):
        here = peer.pair(PAIR)
        alice, bob = peer.wallet(), peer.wallet()
        iceberg = await here.place(alice, "sell", price_ticks=100, qty_lots=10, display_lots=2)
        await iceberg.certified()
        slid = await there.place(bob, "buy", price_ticks=105, qty_lots=1, post_only="slide")
        await slid.certified()
        told = await slid.state()
        assert told is not None
        assert (told["price_ticks"], told["status"]) == (99, "open")
        stop = await there.place(bob, "buy", price_ticks=110, qty_lots=2, stop_ticks=101)
        await stop.certified()
        told = await stop.state()
        assert told is not None
        assert (told["status"], told["stop_ticks"]) == ("waiting", 101)
        least = await here.place(peer.wallet(), "buy", price_ticks=100, qty_lots=20, min_lots=11)
        await least.certified()
        state = least.state()
        assert state is not None
        assert (state.status, state.reason) == ("cancelled", "below-minimum")
        taken = await here.place(peer.wallet(), "buy", price_ticks=100, qty_lots=3)
        await taken.certified()
        state = iceberg.state()
        assert state is not None
        assert (state.open_lots, state.hidden_lots) == (7, 6)
        assert (await (await there.cancel_all(bob)).certified()).height == 6
        told = await stop.state()
        assert told is not None
        assert told["status"] == "cancelled"
        assert await there.order(bob.identity.public_key, 99) is None
        standing = here.standing()
        assert (standing.trading, standing.last_trade_ticks, standing.waiting, standing.own) == ("open", 100, 0, None)


async def test_an_end_for_the_loss_of_quorum(tmp_path: Path) -> None:
    async with trading(tmp_path) as (peer, _):
        pair, wallet = peer.pair(PAIR), peer.wallet()
        ends = {"on_quorum_loss": "expire", "within_ms": 3_600_000}
        resting = await pair.place(wallet, "buy", price_ticks=100, qty_lots=1, **ends)  # type: ignore[arg-type]
        op = resting.submission.op
        (command,) = op.commands
        assert command.expires_ms == op.expiry_ms > 0  # type: ignore[union-attr]
        taking = await pair.place(wallet, "buy", price_ticks=100, qty_lots=1, tif="ioc", **ends)  # type: ignore[arg-type]
        (command,) = taking.submission.op.commands
        assert (command.expires_ms, taking.submission.op.expiry_ms > 0) == (0, True)  # type: ignore[union-attr]
        kept = await pair.place(wallet, "buy", price_ticks=100, qty_lots=1, on_quorum_loss="rest")
        assert kept.submission.op.expiry_ms == 0
        with pytest.raises(BadOrder):
            await pair.place(wallet, "buy", price_ticks=100, qty_lots=1, on_quorum_loss="expire")
        assert wallet.next_client_id(PAIR) == 4, "nothing was signed"


@pytest.mark.parametrize("door", ["here", "there"])
async def test_switches(tmp_path: Path, door: str) -> None:
    async with trading(tmp_path) as (peer, there):
        pair: EmbeddedPair | ClientPair = peer.pair(PAIR) if door == "here" else there
        watched = peer.pair(PAIR)
        owner, member = peer.wallet(), peer.wallet()
        warden = gossipbook.Wallet(load_key(tmp_path / "warden.key"), peer.manifest.chain_id)
        owner_key, member_key = owner.identity.public_key, member.identity.public_key
        await (await pair.join_group(member, owner_key)).certified()
        await (await pair.admit(owner, member_key)).certified()
        own = watched.standing(member_key).own
        assert own is not None
        assert own.owner == owner_key
        own = watched.standing(owner_key).own
        assert own is not None
        assert own.members == (member_key,)
        await (await pair.expel(owner, member_key)).certified()
        await (await pair.leave_group(member)).certified()
        own = watched.standing(member_key).own
        assert own is not None
        assert (own.owner, own.wants) == (member_key, b"")

        await (await pair.lease(owner, 3_600_000)).certified()
        own = watched.standing(owner_key).own
        assert own is not None
        assert own.lease_until_ms == watched.standing().time_ms + 3_600_000
        await (await pair.lease(owner, 0)).certified()
        await (await pair.set_state(warden, "halted")).certified()
        assert watched.standing().trading == "halted"
        with pytest.raises(ConfigError, match="state"):
            await pair.set_state(warden, "closed")


async def test_a_lease_ends_by_itself(tmp_path: Path) -> None:
    async with trading(tmp_path) as (peer, _):
        pair, wallet = peer.pair(PAIR), peer.wallet()
        order = await pair.place(wallet, "buy", price_ticks=100, qty_lots=1)
        await order.certified()
        async with trio.open_nursery() as nursery:
            blocks = pair.blocks()

            async def end() -> None:
                async for block in blocks:
                    if any(type(event).__name__ == "LeaseEnded" for event in block.events):
                        nursery.cancel_scope.cancel()

            nursery.start_soon(end)
            await trio.testing.wait_all_tasks_blocked()
            await pair.lease(wallet, 200)
        state = order.state()
        assert state is not None
        assert (state.status, state.reason) == ("cancelled", "lease")


async def test_a_network_of_the_first_rules_is_respected(tmp_path: Path) -> None:
    async with trading(tmp_path, rules_version=1) as (peer, there):
        wallet = peer.wallet()
        pairs: list[EmbeddedPair | ClientPair] = [peer.pair(PAIR), there]
        for pair in pairs:
            with pytest.raises(LaterRules):
                await pair.place(wallet, "buy", price_ticks=100, qty_lots=5, display_lots=1)
            with pytest.raises(LaterRules):
                await pair.lease(wallet, 1_000)
        assert wallet.next_client_id(PAIR) == 1
        plain = await peer.pair(PAIR).place(wallet, "buy", price_ticks=100, qty_lots=5)
        assert (plain.submission.op.seq, (await plain.certified()).height) == (0, 1)


async def test_a_client_cannot_trade_where_its_peer_does_not(tmp_path: Path) -> None:
    with trio.fail_after(ENOUGH_S):
        async with (
            gossipbook.open_peer(pairs=[PAIR]) as peer,
            gossipbook.open_client(peer.addresses[0], peer.manifest.chain_id) as client,
        ):
            with pytest.raises(gossipbook.GossipbookError, match="no pair 'ETH-USD' in network"):
                await client.pair("ETH-USD")
