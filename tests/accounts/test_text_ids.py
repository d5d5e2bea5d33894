"""An order under a text id is signed once, whoever asks for it again: at once, later, elsewhere, without a file."""

import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
import trio
from storage.support import CHAIN, PAIRS, python

import gossipbook
from gossipbook.errors import WalletError
from gossipbook.matching.commands import Cancel, PlaceNamed
from gossipbook.storage.keys import OPS_SUFFIX, create_key
from gossipbook.trade.client_pair import ClientPair
from gossipbook.trade.text_ids import TextIdTwice
from gossipbook.trade.tickets import BadOrder
from gossipbook.trade.wallet import Wallet

from .kit import PAIR

GOLD, IRON = PAIRS
ENOUGH_S = 30.0
BUY: dict[str, Any] = {"price_ticks": 100, "qty_lots": 5}


def named(client_id: int, text_id: str) -> PlaceNamed:
    return PlaceNamed(client_id, 1, 1, 100, 5, 1, text_id=text_id)


@asynccontextmanager
async def doors(folder: Path) -> AsyncIterator[tuple[gossipbook.EmbeddedPeer, gossipbook.EmbeddedPair, ClientPair]]:
    """A network of one, its peer's pair and a client's."""
    with trio.fail_after(ENOUGH_S):
        async with (
            gossipbook.open_peer(pairs=[PAIR], folder=folder / "peer") as peer,
            gossipbook.open_client(peer.addresses[0], peer.manifest.chain_id) as client,
        ):
            yield peer, peer.pair(PAIR), await client.pair(PAIR)


# -- the wallet ---------------------------------------------------------------------------------------


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    create_key(tmp_path / "author.key")
    return tmp_path / "author.key"


def test_a_text_is_signed_once_in_a_pair_however_often_the_wallet_is_opened(key_file: Path) -> None:
    with closing(Wallet.open(key_file, CHAIN)) as wallet:
        op = wallet.sign(GOLD, [named(1, "first"), named(2, "second")])
    with closing(Wallet.open(key_file, CHAIN)) as wallet:
        for text, client_id in (("first", 1), ("second", 2)):
            with pytest.raises(gossipbook.TextIdUsed, match=f"order {client_id} of this key in {GOLD}") as caught:
                wallet.sign(GOLD, [Cancel(1), named(3, text)])
            assert caught.value.named is not None
            assert caught.value.named.op == op
            assert wallet.find_text(GOLD, text) == (op, op.commands[client_id - 1])
        assert wallet.find_text(GOLD, "third") is None
        wallet.sign(IRON, [named(1, "first")])
        assert wallet.sign(GOLD, [named(3, "third")]).seq == 1
        with pytest.raises(TextIdTwice):
            wallet.sign(GOLD, [named(4, "fourth"), named(5, "fourth")])
        assert wallet.sign(GOLD, [named(4, "fourth")]).seq == 2
    with pytest.raises(WalletError, match="closed"):
        wallet.find_text(GOLD, "first")


def test_orders_without_a_text_are_as_many_as_one_likes(key_file: Path) -> None:
    with closing(Wallet.open(key_file, CHAIN)) as wallet:
        allowing = [PlaceNamed(number, 1, 1, 100, 5, 1, self_trade=5) for number in (1, 2)]
        assert wallet.sign(GOLD, allowing).seq == 0


def test_a_wallet_of_before_learns_texts(key_file: Path) -> None:
    with closing(Wallet.open(key_file, CHAIN)) as wallet:
        wallet.sign(GOLD, [Cancel(1)])
    with closing(sqlite3.connect(key_file.with_name(key_file.name + OPS_SUFFIX))) as database:
        database.execute("DROP TABLE texts")
    with closing(Wallet.open(key_file, CHAIN)) as wallet:
        assert wallet.find_text(GOLD, "first") is None
        wallet.sign(GOLD, [named(1, "first")])
        assert wallet.find_text(GOLD, "first") is not None


SIGNER = """
import os, signal, sys
from pathlib import Path
from gossipbook.matching.commands import PlaceNamed
from gossipbook.trade.text_ids import TextIdUsed
from gossipbook.trade.wallet import Wallet
wallet = Wallet.open(Path(sys.argv[1]), bytes.fromhex(sys.argv[2]))
for number in range(1, 200):
    try:
        wallet.sign(sys.argv[3], [PlaceNamed(number, 1, 1, 100, 5, 1, text_id=f"order {number}")])
    except TextIdUsed:
        continue
    if number % 7 == int(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_program_that_is_killed_and_tries_again_signs_each_text_once(key_file: Path) -> None:
    for killed in range(6):
        assert python(SIGNER, key_file, CHAIN.hex(), GOLD, killed).wait(30) == -signal.SIGKILL
    with closing(Wallet.open(key_file, CHAIN)) as wallet:
        texts = [place.text_id for op in wallet.uncertified(GOLD) for place in op.commands]  # type: ignore[union-attr]
    assert len(texts) == len(set(texts)) > 5


# -- through the doors --------------------------------------------------------------------------------


async def test_asked_again_it_is_the_same_order(tmp_path: Path) -> None:
    async with doors(tmp_path) as (peer, here, there):
        wallet = peer.wallet()
        first = await here.place(wallet, "buy", **BUY, text_id="mine")
        again = await here.place(wallet, "buy", **BUY, text_id="mine")
        assert (again.client_id, again.submission.op.id) == (1, first.submission.op.id)
        assert (await again.certified()).height == (await first.certified()).height == 1
        later = await there.place(wallet, "buy", **BUY, text_id="mine")
        assert later.client_id == 1
        assert (await later.certified()).height == 1
        with pytest.raises(BadOrder, match="Nothing was signed; it is another order than this one"):
            await here.place(wallet, "buy", price_ticks=101, qty_lots=5, text_id="mine")
        assert (await here.place(wallet, "buy", **BUY, text_id="other")).client_id == 2
        expiring = {"on_quorum_loss": "expire", "within_ms": 60_000}
        one = await here.place(wallet, "buy", **BUY, text_id="ends", **expiring)
        two = await here.place(wallet, "buy", **BUY, text_id="ends", **expiring)
        assert one.client_id == two.client_id == 3


async def test_many_at_once_under_few_texts(tmp_path: Path) -> None:
    placed: list[gossipbook.PlacedOrder[Any]] = []
    async with doors(tmp_path) as (peer, here, there):
        wallet = Wallet.open(tmp_path / "peer" / "keys" / "peer.key", peer.manifest.chain_id)
        with closing(wallet):

            async def place(number: int) -> None:
                pair: Any = there if number % 3 else here
                placed.append(await pair.place(wallet, "buy", **BUY, text_id=f"text {number % 10}"))

            async with trio.open_nursery() as nursery:
                for number in range(60):
                    nursery.start_soon(place, number)
            for order in placed:
                await order.certified()
            rows = (await here.orders(wallet.identity.public_key))["orders"]
    assert sorted(row["text_id"] for row in rows) == sorted({f"text {number % 10}" for number in range(10)})
    assert len({order.client_id for order in placed}) == 10


async def test_amended_and_cancelled_by_its_text(tmp_path: Path) -> None:
    async with doors(tmp_path) as (peer, here, there):
        wallet = peer.wallet()
        await (await here.place(wallet, "buy", **BUY, text_id="mine")).certified()
        await (await there.amend(wallet, text_id="mine", qty_lots=3)).certified()
        found = await there.find(wallet.identity.public_key, "mine")
        assert (found["order"]["open_lots"], found["pending"]) == (3, None)
        assert not (await (await here.cancel(wallet, text_id="mine")).certified()).rejected
        with pytest.raises(BadOrder, match="has the text id 'yours'"):
            await here.cancel(wallet, text_id="yours")
        with pytest.raises(BadOrder, match="printable"):
            await here.cancel(wallet, text_id="ä")


async def test_a_key_that_lost_its_wallet_asks_peers_first(tmp_path: Path) -> None:
    create_key(tmp_path / "author.key")
    async with doors(tmp_path) as (peer, here, there):
        with closing(peer.wallet(tmp_path / "author.key")) as wallet:
            await (await here.place(wallet, "buy", **BUY, text_id="mine")).certified()
        for suffix in ("", "-wal", "-shm"):
            (tmp_path / f"author.key{OPS_SUFFIX}{suffix}").unlink(missing_ok=True)
        with closing(peer.wallet(tmp_path / "author.key")) as wallet:
            with pytest.raises(gossipbook.TextIdUsed, match="order 1 of this key") as caught:
                await there.place(wallet, "buy", **BUY, text_id="mine")
            assert caught.value.named is None
            assert (await there.place(wallet, "buy", **BUY, text_id="new")).client_id == 2
            await (await there.cancel(wallet, text_id="mine")).certified()
            found = await here.find(wallet.identity.public_key, "mine")
            assert found["order"]["status"] == "cancelled"
