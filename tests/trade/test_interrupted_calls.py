"""Calls that are cut off, repeated, wrong or unanswered: each ends, in time, with an outcome that is true."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio

import gossipbook
from gossipbook.client_messages import Answer, Query
from gossipbook.errors import ConfigError, FolderLocked, GossipbookError, LinkClosed, WalletError
from gossipbook.identity import SEED_BYTES, Identity
from gossipbook.manifest import Manifest, Matcher, Pair
from gossipbook.matching.commands import Cancel
from gossipbook.net.link import CLIENTS
from gossipbook.storage.keys import create_key, load_key
from gossipbook.trade.numbers import BadNumber
from gossipbook.trade.opening import open_client
from gossipbook.trade.outcome import NotSigned, OutcomeUnknown
from gossipbook.trade.peer_link import NoAnswer
from gossipbook.trade.wallet import Wallet

from .bench import AuthorBench
from .liars import liar

PAIR = "A-B"
ENOUGH_S = 30.0
BOTH = pytest.mark.parametrize("through", ["embedded", "client"])


@dataclass
class Door:
    """A pair to trade in, and whose network it is."""

    pair: Any
    client: gossipbook.Client
    manifest: Manifest

    def wallet(self) -> Wallet:
        return Wallet(Identity(os.urandom(SEED_BYTES)), self.manifest.chain_id)


@asynccontextmanager
async def door(through: str) -> AsyncIterator[Door]:
    async with (
        gossipbook.open_peer(pairs=[PAIR]) as peer,
        open_client(peer.addresses[0], manifest=peer.manifest, links=1) as client,
    ):
        pair = peer.pair(PAIR) if through == "embedded" else await client.pair(PAIR)
        with trio.fail_after(ENOUGH_S):
            yield Door(pair, client, peer.manifest)


@BOTH
async def test_an_order_given_up_at_once_keeps_none_from_following(through: str) -> None:
    async with door(through) as it:
        wallet = it.wallet()
        with trio.move_on_after(0) as scope:
            await it.pair.place(wallet, "buy", price_ticks=5, qty_lots=1)
        assert scope.cancelled_caught
        order = await it.pair.place(wallet, "buy", price_ticks=6, qty_lots=1)
        await order.certified()
        assert wallet.uncertified(PAIR) == []


@BOTH
async def test_an_op_that_was_signed_by_a_program_that_died_goes_out_with_the_next_order(
    through: str, tmp_path: Path
) -> None:
    create_key(tmp_path / "bot.key")
    async with door(through) as it:
        before = Wallet.open(tmp_path / "bot.key", it.manifest.chain_id)
        op = before.sign(PAIR, [Cancel(9)])
        before.close()
        wallet = Wallet.open(tmp_path / "bot.key", it.manifest.chain_id)
        order = await it.pair.place(wallet, "buy", price_ticks=6, qty_lots=1)
        await order.submission.durable()
        await order.submission.relayed()
        await order.certified()
        assert order.submission.op.prev == op.id
        assert wallet.uncertified(PAIR) == []
        wallet.close()


@BOTH
async def test_each_submission_of_one_op_ends_with_what_it_did(through: str) -> None:
    async with door(through) as it:
        op = it.wallet().sign(PAIR, [Cancel(9)])
        first, second = await it.pair.submit_op(op), await it.pair.submit_op(op)
        outcomes = [await first.certified(), await second.certified()]
        third = await it.pair.submit_op(op)
        outcomes.append(await third.certified())
        assert {(each.height, each.rejected) for each in outcomes} == {(1, "unknown-order")}


@BOTH
@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"price_ticks": 100.9}, "price_ticks"),
        ({"price_ticks": 0.29 / 0.01 * 100}, "price_ticks"),
        ({"price_ticks": Decimal("100.5")}, "price_ticks"),
        ({"price_ticks": float("nan")}, "price_ticks"),
        ({"price_ticks": 1e300}, "price_ticks"),
        ({"price_ticks": "100"}, "price_ticks"),
        ({"price_ticks": True}, "price_ticks"),
        ({"price_ticks": -1}, "price_ticks"),
        ({"price_ticks": 2**63}, "price_ticks"),
        ({"qty_lots": 1.99}, "qty_lots"),
        ({"qty_lots": 2**70}, "qty_lots"),
        ({"qty_lots": -1}, "qty_lots"),
    ],
)
async def test_an_amount_that_is_no_whole_number_is_refused_by_name(
    through: str, wrong: dict[str, Any], named: str
) -> None:
    async with door(through) as it:
        wallet = it.wallet()
        amounts = {"price_ticks": 100, "qty_lots": 1} | wrong
        with pytest.raises(BadNumber, match=named):
            await it.pair.place(wallet, "buy", **amounts)
        with pytest.raises(BadNumber, match=named):
            await it.pair.amend(wallet, 1, **amounts)
        assert wallet.next_client_id(PAIR) == 1
        assert wallet.uncertified(PAIR) == []


async def test_questions_that_are_given_up_leave_nothing_behind() -> None:
    async with door("client") as it:
        for _ in range(50):
            with trio.move_on_after(0):
                await it.client.query("status")
        await it.client.query("status")
        (link,) = it.client.connections.up()
        assert len(link._answers) == len(link._arrived) == 0


@pytest.mark.parametrize("mute", [True, False])
async def test_a_question_to_a_peer_that_says_nothing_ends(mute: bool) -> None:
    """With the link, if nothing at all comes over it; with the caller's patience, if only the answer does not."""
    bench = AuthorBench()

    async with (
        liar(bench.keys[0], bench.manifest.chain_id, lambda _: [], mute=mute) as address,
        open_client(address, manifest=bench.manifest, links=1) as client,
    ):
        (link,) = client.connections.up()
        with trio.fail_after(CLIENTS.read_deadline_s + 4):
            with pytest.raises((NoAnswer, LinkClosed)):
                await link.query("status", within_s=60 if mute else 0.2)


async def test_another_peer_answers_for_one_that_does_not() -> None:
    bench = AuthorBench()

    def answers(message: Any) -> list[Any]:
        return [Answer(message.number, True, b"7")] if isinstance(message, Query) else []

    async with (
        liar(bench.keys[0], bench.manifest.chain_id, lambda _: []) as mute,
        liar(bench.keys[1], bench.manifest.chain_id, answers) as honest,
        open_client([mute, honest], manifest=bench.manifest) as client,
    ):
        with trio.fail_after(ENOUGH_S):
            while len(client.connections.up()) < 2:
                await client.connections.changed.wait()
            told: list[Any] = []

            async def ask() -> None:
                told.append(await client.query("status"))

            async with trio.open_nursery() as nursery:
                for _ in range(4):
                    nursery.start_soon(ask)
            assert told == [7] * 4


async def test_a_key_that_was_restored_by_itself_signs_no_number_again(tmp_path: Path) -> None:
    """While its first op is pending at the one member that is there, and three that are not could know of more."""
    create_key(tmp_path / "author.key")
    folder = tmp_path / "peer"
    me = create_key(folder / "keys" / "peer.key")
    others = [Identity(os.urandom(SEED_BYTES)) for _ in range(3)]
    matchers = tuple(Matcher(f"m{i}", key.public_key, f"m{i}") for i, key in enumerate([me, *others]))
    manifest = Manifest("t", (Pair(PAIR),), matchers, 4)
    with trio.fail_after(ENOUGH_S):
        async with (
            gossipbook.open_peer(manifest, folder=folder, dht=False) as peer,
            open_client(peer.addresses[0], manifest=manifest) as client,
        ):
            pair = await client.pair(PAIR)
            wallet = Wallet.open(tmp_path / "author.key", manifest.chain_id)
            order = await pair.place(wallet, "sell", price_ticks=100, qty_lots=5)
            await order.submission.durable()
            with pytest.raises(OutcomeUnknown) as unknown:
                await order.certified(within_s=0.1)
            assert (unknown.value.op_id, unknown.value.client_id) == (order.submission.op.id, 1)
            wallet.close()
            for file in tmp_path.glob("author.key.ops*"):  # noqa: ASYNC240
                file.unlink()
            again = Wallet.open(tmp_path / "author.key", manifest.chain_id)
            with pytest.raises(NotSigned) as refused:
                await pair.place(again, "sell", price_ticks=100, qty_lots=7, within_s=1.5)
            assert refused.value.reason == "wallet-lost"
            again.close()
            bold = Wallet.open(tmp_path / "author.key", manifest.chain_id, accept_fewer=True)
            following = await pair.place(bold, "sell", price_ticks=100, qty_lots=7)
            assert following.submission.op.prev == order.submission.op.id
            bold.close()
            log = peer.pair(PAIR)._replica.ops.logs[load_key(tmp_path / "author.key").public_key]
            assert log.evidence is None


@pytest.mark.parametrize("opener", ["client", "peer"])
async def test_what_the_body_raises_comes_out_by_itself(opener: str) -> None:
    async with gossipbook.open_peer(pairs=[PAIR]) as peer:
        opens: dict[str, Callable[[], Any]] = {
            "client": lambda: open_client(peer.addresses[0], manifest=peer.manifest),
            "peer": lambda: gossipbook.open_peer(pairs=[PAIR]),
        }
        with trio.fail_after(ENOUGH_S):
            with pytest.raises(KeyError, match="mine"):
                async with opens[opener]():
                    raise KeyError("mine")
            with trio.CancelScope() as scope:
                async with opens[opener]():
                    scope.cancel()
                    await trio.sleep_forever()
            assert scope.cancelled_caught


async def test_what_cannot_be_opened_says_so_by_its_type(tmp_path: Path) -> None:
    with trio.fail_after(ENOUGH_S):
        async with gossipbook.open_peer(pairs=[PAIR], folder=tmp_path) as peer:
            with pytest.raises(FolderLocked):
                async with gossipbook.open_peer(pairs=[PAIR], folder=tmp_path):
                    pass
            for chain_id in (bytes(32), peer.manifest.chain_id.hex()):
                with pytest.raises(GossipbookError):
                    async with open_client(peer.addresses[0], chain_id):  # type: ignore[arg-type]
                        pass
            elsewhere = Wallet(Identity(os.urandom(SEED_BYTES)), bytes(32))
            with pytest.raises(WalletError, match="chain"):
                await peer.pair(PAIR).place(elsewhere, "buy", price_ticks=1, qty_lots=1)
            with pytest.raises(LinkClosed):
                async with open_client("ws://127.0.0.1:9", peer.manifest.chain_id):
                    pass
        for wrong in ({}, {"pairs": []}, {"pairs": ["A B"]}, {"pairs": [PAIR], "listen": "nonsense"}):
            with pytest.raises(GossipbookError):
                async with gossipbook.open_peer(**wrong):
                    pass
        with pytest.raises(ConfigError):
            async with open_client("nonsense", bytes(32)):
                pass
