"""The peer through which a client came in stops, dies, falls silent or lies: trading goes on through others."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import trio

from gossipbook.identity import SEED_BYTES, Identity
from gossipbook.storage.keys import create_key
from gossipbook.trade.client import Client
from gossipbook.trade.opening import open_client
from gossipbook.trade.outcome import ProofKind
from gossipbook.trade.peer_link import PeerLink
from gossipbook.trade.wallet import Wallet

from .lying_peer import LIES
from .network import LIAR, RealNetwork

ORDERS = 100
LEAVE_S = 10.0
ENOUGH_S = 60.0


async def until_left(client: Client, link: PeerLink) -> None:
    while link in client.connections.up() or not client.connections.up():
        await client.connections.changed.wait()


async def test_the_entry_peer_stops_and_is_killed_with_orders_in_flight(real_network: RealNetwork) -> None:
    entry, pair_name = 2, "STOP-USD"
    manifest = real_network.manifest
    wallet = Wallet(Identity(os.urandom(SEED_BYTES)), manifest.chain_id)
    pid = real_network.endpoint(entry)["pid"]
    submissions = []
    try:
        with trio.fail_after(ENOUGH_S):
            async with open_client(real_network.address(entry), manifest=manifest) as client:
                (link,) = client.connections.up()
                pair = await client.pair(pair_name)

                async def place() -> None:
                    placed = await pair.place(wallet, "buy", price_ticks=7, qty_lots=1, within_s=ENOUGH_S)
                    submissions.append(placed.submission)

                async with trio.open_nursery() as nursery:
                    for _ in range(ORDERS):
                        nursery.start_soon(place)
                os.kill(pid, signal.SIGSTOP)
                assert any(submission.outcome is None for submission in submissions)
                with trio.fail_after(LEAVE_S):
                    await until_left(client, link)
                    await client.query("status")
                os.kill(pid, signal.SIGKILL)
                for submission in submissions:
                    await submission.certified()
                after = await pair.place(wallet, "buy", price_ticks=7, qty_lots=1)
                await after.certified()
        await real_network.reached(1, pair_name, after.submission.height)
    finally:
        real_network.kill(entry)
        real_network.start(entry)
    certified = real_network.certified(pair_name, wallet.identity.public_key)
    assert {op.id for op in certified} == {submission.op.id for submission in (*submissions, after.submission)}
    assert len(certified) == ORDERS + 1


def forget(key: Path) -> None:
    """Lose a wallet, as with a key that was restored by itself."""
    for file in key.parent.glob(f"{key.name}.ops*"):
        file.unlink()


@pytest.mark.parametrize("lie", LIES)
async def test_trading_goes_on_beside_a_liar(real_network: RealNetwork, lie: str, tmp_path: Path) -> None:
    """It signs nothing that is not proven, whether the wallet is whole, restored or lost, and believes no outcome."""
    pair_name = "LIE-USD"
    create_key(tmp_path / "author.key")
    submissions = []
    try:
        with trio.fail_after(ENOUGH_S):
            for turn in ("new", "known", "lost"):
                if turn == "lost":
                    forget(tmp_path / "author.key")
                # With a senseless answer to who the members are nobody else is known: that liar waits until they are.
                real_network.lie("" if lie == "senseless" else lie)
                wallet = Wallet.open(tmp_path / "author.key", real_network.manifest.chain_id)
                async with open_client(real_network.address(LIAR), manifest=real_network.manifest) as client:
                    pair = await client.pair(pair_name)
                    for _ in range(3):
                        placed = await pair.place(wallet, "buy", price_ticks=7, qty_lots=1)
                        certified = await placed.certified()
                        real_network.lie(lie)
                        assert certified.proof is ProofKind.CERTIFICATE
                        assert not certified.rejected
                        submissions.append(placed.submission)
                    cancelled = await pair.cancel(wallet, placed.client_id)
                    outcome = await cancelled.certified()
                    assert outcome.cancelled_lots == 1
                    submissions.append(cancelled)
                wallet.close()
        await real_network.reached(1, pair_name, outcome.height)
    finally:
        real_network.lie("")
    certified_ops = real_network.certified(pair_name, wallet.identity.public_key)
    assert [op.id for op in certified_ops] == [submission.op.id for submission in submissions]


@pytest.mark.parametrize("lie", ["forged_blocks", "altered_events"])
async def test_a_peer_is_left_when_what_it_sends_proves_that_it_lies(real_network: RealNetwork, lie: str) -> None:
    wallet = Wallet(Identity(os.urandom(SEED_BYTES)), real_network.manifest.chain_id)
    addresses = [real_network.address(LIAR), real_network.address(1)]
    real_network.lie(lie)
    try:
        with trio.fail_after(ENOUGH_S):
            async with open_client(addresses, manifest=real_network.manifest, links=1) as client:
                (link,) = client.connections.up()
                assert link.address == addresses[0]
                pair = await client.pair("LIE-USD")
                placed = await pair.place(wallet, "buy", price_ticks=7, qty_lots=1)
                assert (await placed.certified()).proof is ProofKind.CERTIFICATE
                assert link.closed_reason in client.refused
                assert sum(client.refused.values()) >= 1
                await until_left(client, link)
    finally:
        real_network.lie("")


async def test_a_question_passes_over_a_mute_peer(real_network: RealNetwork) -> None:
    entry = 3
    pid = real_network.endpoint(entry)["pid"]
    async with open_client([real_network.address(entry), real_network.address(1)], manifest=real_network.manifest) as c:
        while len(c.connections.up()) < 2:
            await c.connections.changed.wait()
        os.kill(pid, signal.SIGSTOP)
        try:
            with trio.fail_after(LEAVE_S):
                answers: list[Any] = [await c.query("status") for _ in range(4)]
        finally:
            os.kill(pid, signal.SIGCONT)
    assert all(answer["name"] for answer in answers)
