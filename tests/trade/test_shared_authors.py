"""One author whose ops come from several places in one program: every submission is told what became of its op."""

from pathlib import Path

import pytest
import trio

import gossipbook
from gossipbook.errors import WalletError
from gossipbook.matching.commands import Cancel
from gossipbook.storage.keys import create_key
from gossipbook.trade.wallet import Wallet

PAIR = "A-B"
ENOUGH_S = 30.0


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    create_key(tmp_path / "author.key")
    return tmp_path / "author.key"


@pytest.mark.parametrize("through", ["embedded", "client"])
async def test_two_wallets_of_one_key_and_an_op_signed_before(key_file: Path, through: str) -> None:
    with trio.fail_after(ENOUGH_S):
        async with (
            gossipbook.open_peer(pairs=[PAIR]) as peer,
            gossipbook.open_client(peer.addresses[0], manifest=peer.manifest, links=1) as client,
        ):
            pair = peer.pair(PAIR) if through == "embedded" else await client.pair(PAIR)
            one, two = (Wallet.open(key_file, peer.manifest.chain_id) for _ in range(2))
            submissions = [await pair.submit_op(one.sign(PAIR, [Cancel(9)]))]  # Nobody has attached a wallet yet.
            for wallet in (one, two, one, two):
                placed = await pair.place(wallet, "buy", price_ticks=1, qty_lots=1)
                submissions.append(placed.submission)
            for submission in submissions:
                await submission.certified()
            assert [submission.op.seq for submission in submissions] == list(range(5))
            one.close()
            two.close()


@pytest.mark.parametrize("through", ["embedded", "client"])
async def test_a_wallet_is_closed_and_opened_again_in_one_client(key_file: Path, through: str) -> None:
    with trio.fail_after(ENOUGH_S):
        async with (
            gossipbook.open_peer(pairs=[PAIR]) as peer,
            gossipbook.open_client(peer.addresses[0], manifest=peer.manifest, links=1) as client,
        ):
            pair = peer.pair(PAIR) if through == "embedded" else await client.pair(PAIR)
            await client.query("status")  # Both ends of the link are served by now.
            await trio.testing.wait_all_tasks_blocked(0.05)
            tasks = trio.lowlevel.current_statistics().tasks_living
            for seq in range(5):
                wallet = Wallet.open(key_file, peer.manifest.chain_id)
                placed = await pair.place(wallet, "buy", price_ticks=1, qty_lots=1)
                assert placed.submission.op.seq == seq
                await placed.certified()
                wallet.close()
                with pytest.raises(WalletError, match="closed"):
                    await pair.place(wallet, "buy", price_ticks=1, qty_lots=1)
            while trio.lowlevel.current_statistics().tasks_living > tasks + 4:  # Something drives closed ones yet.
                await trio.testing.wait_all_tasks_blocked(0.01)


async def test_a_wallet_outlives_one_of_two_peers_in_one_program(tmp_path: Path) -> None:
    """Each of them is a peer of its own to the wallet."""
    key = create_key(tmp_path / "one" / "keys" / "peer.key")
    matcher = gossipbook.Matcher("one", key.public_key, "one")
    manifest = gossipbook.Manifest("two", (gossipbook.Pair(PAIR),), (matcher,), 1, "crash")
    with trio.fail_after(ENOUGH_S):
        async with gossipbook.open_peer(manifest, folder=tmp_path / "one", dht=False) as one:
            wallet = one.wallet()
            await (await one.pair(PAIR).place(wallet, "buy", price_ticks=1, qty_lots=1)).certified()
            async with gossipbook.open_peer(manifest, folder=tmp_path / "two", dht=False, peers=one.addresses) as two:
                await (await two.pair(PAIR).place(wallet, "buy", price_ticks=1, qty_lots=1)).certified()
            await (await one.pair(PAIR).place(wallet, "buy", price_ticks=1, qty_lots=1)).certified(within_s=5)
