"""What may happen to a wallet's file, lock, client and caller: no number is used twice, and nobody hangs."""

import math
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from consensus.kit import SYMBOL

import gossipbook
import gossipbook.sync
from gossipbook import BadNumber, ConfigError, LinkClosed, NotSigned, OutcomeUnknown, Wallet, WalletError
from gossipbook.matching.commands import Cancel, Place
from gossipbook.storage.keys import create_key
from gossipbook.trade.author_driver import FOREIGN_AUTHORS_CAP, ForeignAuthor, make_room
from gossipbook.trade.op_chain import OpChain, StoredChain
from gossipbook.trade.wallet_file import WalletFile

from .bench import AuthorBench

PAIR = "BTC-USD"
CHAIN = bytes(32)
ENOUGH_S = 20.0


def ops_of(key: Path) -> Path:
    return key.with_name(key.name + ".ops")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    create_key(tmp_path / "a.key")
    return tmp_path / "a.key"


def is_known(path: Path) -> bool:
    with closing(WalletFile(path, CHAIN, fresh=False)) as file:
        return file.load(PAIR).known


# -- the file -----------------------------------------------------------------------------------------


def test_only_a_file_that_was_made_with_its_key_says_that_the_key_is_new(key: Path) -> None:
    assert is_known(ops_of(key))
    ops_of(key).unlink()
    assert not is_known(ops_of(key))


def test_an_empty_file_is_a_lost_one(key: Path) -> None:
    """Such as a program without disk space leaves."""
    ops_of(key).write_bytes(b"")
    assert not is_known(ops_of(key))


def test_a_lost_file_that_two_programs_open_at_once_is_lost_for_both(key: Path) -> None:
    """A reviewer met one in thirty that was taken for a new key's."""
    program = (
        "import sys; from pathlib import Path; from gossipbook.trade.wallet_file import WalletFile\n"
        "sys.stdin.readline(); print(WalletFile(Path(sys.argv[1]), bytes(32), fresh=False).load('X').known)"
    )
    ops_of(key).unlink()
    command = [sys.executable, "-c", program, str(ops_of(key))]
    programs = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for each in programs:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    assert [each.communicate(timeout=ENOUGH_S)[0].strip() for each in programs] == ["False"] * 4


def test_a_key_that_cannot_be_written_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("gossipbook.storage.keys._create_ops_file", full)
    with pytest.raises(gossipbook.KeyFileError, match="disk is full"):
        create_key(tmp_path / "a.key")
    assert [*tmp_path.iterdir()] == []


def test_another_keys_ops_are_not_taken_for_a_new_keys(key: Path) -> None:
    key.unlink()
    with pytest.raises(gossipbook.KeyFileError, match="another key's ops"):
        create_key(key)
    assert not key.exists()


def test_a_key_by_two_names_has_one_wallet(key: Path) -> None:
    link = key.with_name("link.key")
    link.symlink_to(key)
    first, second = Wallet.open(key, CHAIN), Wallet.open(link, CHAIN)
    ops = [wallet.sign(PAIR, [Cancel(1)]) for wallet in (first, second, first)]
    assert [op.seq for op in ops] == [0, 1, 2]
    first.close()
    second.close()


def remove(ops: Path, _old: Path) -> None:
    for end in ("", "-wal", "-shm"):
        ops.with_name(ops.name + end).unlink(missing_ok=True)


def replace(ops: Path, old: Path) -> None:
    old.rename(ops)


def overwrite(ops: Path, old: Path) -> None:
    ops.write_bytes(old.read_bytes())
    for end in ("-wal", "-shm"):
        ops.with_name(ops.name + end).unlink(missing_ok=True)


def overwrite_checkpointed(ops: Path, old: Path) -> None:
    with closing(sqlite3.connect(ops)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    ops.write_bytes(old.read_bytes())


@pytest.mark.parametrize("harm", [remove, replace, overwrite, overwrite_checkpointed])
def test_a_file_that_is_not_the_one_that_was_opened_is_not_signed_with(key: Path, harm: Any) -> None:
    wallet = Wallet.open(key, CHAIN)
    wallet.sign(PAIR, [Cancel(1)])
    old = key.with_name("old")
    with closing(sqlite3.connect(ops_of(key))) as now, closing(sqlite3.connect(old)) as copy:
        now.backup(copy)
    wallet.sign(PAIR, [Cancel(2)])
    harm(ops_of(key), old)
    with pytest.raises(WalletError):
        wallet.sign(PAIR, [Cancel(3)])


# -- its lock -----------------------------------------------------------------------------------------


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Another program is in the midst of signing."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def test_another_program_that_holds_the_file_holds_up_nobody(key: Path) -> None:
    """Each wait ends by its own deadline; a lock that is waited for in the loop would outlast the test."""
    with trio.fail_after(ENOUGH_S):
        async with gossipbook.open_peer(pairs=[PAIR, "ETH-USD"]) as peer:
            pair, other, wallet = peer.pair(PAIR), peer.pair("ETH-USD"), peer.wallet(key)
            await (await pair.place(wallet, "buy", price_ticks=5, qty_lots=1)).certified()
            with held(ops_of(key)):
                for each in (pair, other):
                    with pytest.raises(NotSigned) as refused:
                        await each.place(wallet, "buy", price_ticks=5, qty_lots=1, within_s=0.2)
                    assert refused.value.reason == "wallet-busy"
                assert wallet.find(PAIR, 1) is not None
                with pytest.raises(WalletError):
                    wallet.sign(PAIR, [Cancel(1)])
            await (await pair.place(wallet, "buy", price_ticks=5, qty_lots=1)).certified()
            wallet.close()


# -- its loop and its client --------------------------------------------------------------------------


def test_a_trio_run_that_does_not_drive_the_wallet_signs_nothing_with_it(key: Path) -> None:
    with (
        gossipbook.sync.open_peer(pairs=[PAIR]) as peer,
        gossipbook.sync.open_client(peer.addresses, manifest=peer.manifest) as client,
    ):
        pair, wallet = client.pair(PAIR), peer.wallet(key)
        pair.place(wallet, "buy", price_ticks=5, qty_lots=1).certified()

        async def elsewhere() -> None:
            assert wallet.uncertified(PAIR) == []  # Questions are for any thread.
            with pytest.raises(WalletError, match="another thread's event loop; nothing was signed"):
                await wallet.submit(PAIR, lambda _: [Cancel(1)], within_s=2)

        trio.run(elsewhere)
        assert pair.place(wallet, "buy", price_ticks=5, qty_lots=1).client_id == 2
        wallet.close()


def test_what_a_closing_client_signed_is_not_told_as_an_error(key: Path) -> None:
    with gossipbook.sync.open_peer(pairs=[PAIR]) as peer:
        wallet = Wallet.open(key, peer.manifest.chain_id)
        placed: list[Any] = []
        for _ in range(8):
            with gossipbook.sync.open_client(peer.addresses, manifest=peer.manifest) as client:
                pair = client.pair(PAIR)
                begun = threading.Event()

                def place(pair: Any = pair, begun: threading.Event = begun) -> None:
                    while True:
                        try:
                            placed.append(pair.place(wallet, "buy", price_ticks=5, qty_lots=1))
                        except LinkClosed:
                            return
                        begun.set()

                threads = [threading.Thread(target=place) for _ in range(4)]
                for thread in threads:
                    thread.start()
                assert begun.wait(ENOUGH_S)
            for thread in threads:
                thread.join(ENOUGH_S)
        assert wallet.next_client_id(PAIR) == len(placed) + 1, "signed, and told as closed"
        for order in placed:
            try:
                order.certified(within_s=0)
            except OutcomeUnknown:
                continue
        wallet.close()


async def test_a_closed_client_answers_nothing_and_nobody_waits_for_it(key: Path) -> None:
    ended: list[str] = []

    async def read(what: str, blocks: Any) -> None:
        with pytest.raises(LinkClosed):
            async for _ in blocks:
                pass
        ended.append(what)

    with trio.fail_after(ENOUGH_S):
        async with trio.open_nursery() as nursery, gossipbook.open_peer(pairs=[PAIR]) as peer:
            wallet = peer.wallet(key)
            async with gossipbook.open_client(peer.addresses, manifest=peer.manifest) as client:
                pair = await client.pair(PAIR)
                nursery.start_soon(read, "client", client.blocks(PAIR))
                nursery.start_soon(read, "peer", peer.pair(PAIR).blocks())
                await (await pair.place(wallet, "buy", price_ticks=5, qty_lots=1)).certified()
            calls = [
                lambda: pair.place(wallet, "buy", price_ticks=5, qty_lots=1),
                lambda: client.query("status"),
                lambda: client.pair(PAIR),
                lambda: pair.order(wallet.identity.public_key, 1),
                lambda: anext(client.blocks(PAIR)),
                lambda: client.book_feed(PAIR).__aenter__(),
            ]
            for call in calls:
                with pytest.raises(LinkClosed):
                    await call()  # type: ignore[no-untyped-call]
            wallet.close()
        embedded = peer.pair(PAIR)
        with pytest.raises(LinkClosed):
            await anext(embedded.blocks())
        with pytest.raises(LinkClosed):
            await embedded.place(Wallet.open(key, peer.manifest.chain_id), "buy", price_ticks=5, qty_lots=1)
    assert sorted(ended) == ["client", "peer"]


# -- what a caller may say ----------------------------------------------------------------------------

BIG = 10**5_000
ODD: list[tuple[type[Exception], dict[str, Any]]] = [
    *[(BadNumber, {"price_ticks": value}) for value in (BIG, -BIG, 1.0, math.nan, True, None, "5", b"5", 5j)],
    *[(BadNumber, {"price": value}) for value in ("9" * 10**6, "\u0661", "5\n", "\ud800", "", "1_0", 5.0, b"5")],
    *[(gossipbook.BadOrder, {name: ["x"]}) for name in ("side", "kind", "tif", "self_trade", "on_quorum_loss")],
    *[(gossipbook.BadOrder, {"self_trade": value}) for value in (None, 7, 1.5)],
    *[(gossipbook.BadOrder, {"post_only": value}) for value in (2, math.nan, "no")],
    *[(BadNumber, {"market": value}) for value in ("no", 1, None)],
    *[(ConfigError, {"within_s": value}) for value in (math.nan, -1, None, "5", True)],
    (BadNumber, {"min_lots": BIG}),
]


@pytest.mark.parametrize("exponent", [10**7, 10**9, -(10**7)])
async def test_a_decimal_of_any_exponent_is_refused_without_writing_it_out(key: Path, exponent: int) -> None:
    from decimal import Decimal

    async with gossipbook.open_peer(pairs=[PAIR]) as peer:
        with pytest.raises(BadNumber) as refused:
            await peer.pair(PAIR).place(peer.wallet(), "buy", price=Decimal(f"1E{exponent:+d}"), qty="1")
        assert len(str(refused.value)) < 200


async def test_whatever_is_given_as_a_number_or_a_word_the_refusal_is_typed_and_short(key: Path) -> None:
    async with gossipbook.open_peer(pairs=[PAIR]) as peer:
        pair, wallet = peer.pair(PAIR), peer.wallet(key)
        for kind, terms in ODD:
            given: dict[str, Any] = {"side": "buy", **terms}
            if "price" not in given:
                given.setdefault("price_ticks", 5)
            side = given.pop("side")
            with pytest.raises(kind) as refused:
                await pair.place(wallet, side, qty_lots=1, **given)
            assert len(str(refused.value)) < 300, terms
        for commands in (None, [object()], [5], "ab", [Cancel(0)], [Cancel(1.0)], [Cancel(b"x")], [(1, 2, 3)]):  # type: ignore[arg-type,list-item]
            with pytest.raises(gossipbook.BadOrder):
                await pair.submit(wallet, commands)  # type: ignore[arg-type]
        assert wallet.next_client_id(PAIR) == 1
        assert wallet.unfinished_pairs() == []
        wallet.close()


async def test_the_last_order_id_says_that_it_was_the_last(key: Path) -> None:
    async with gossipbook.open_peer(pairs=[PAIR]) as peer:
        pair, wallet = peer.pair(PAIR), peer.wallet(key)
        await pair.submit(wallet, [Place(2**63 - 1, 1, 1, 5, 1, 1)])  # type: ignore[arg-type]
        with pytest.raises(gossipbook.BadOrder, match="used up its order ids"):
            await pair.place(wallet, "buy", price_ticks=5, qty_lots=1)
        wallet.close()


async def test_a_question_that_is_none_ends_no_link() -> None:
    async with (
        gossipbook.open_peer(pairs=[PAIR]) as peer,
        gossipbook.open_client(peer.addresses, manifest=peer.manifest) as client,
    ):
        for arguments in (("order", PAIR, "00" * 32, 5), ("book", "\ud800"), ("book", "x" * 10**6), ("book", *"x" * 9)):
            with pytest.raises(ConfigError):
                await client.query(*arguments)  # type: ignore[arg-type]
        (link,) = client.connections.up()
        assert not link.closed_reason
        with pytest.raises(ConfigError):
            await client.query("status", within_s=math.nan)
        with pytest.raises(ConfigError):
            async with gossipbook.open_client(peer.addresses, manifest=peer.manifest, links=0):
                pytest.fail("no link is asked for")


# -- bounds -------------------------------------------------------------------------------------------


def test_foreign_authors_with_nothing_under_way_make_room() -> None:
    async def main() -> None:
        drivers = [ForeignAuthor(bytes([n, 1] * 16), CHAIN) for n in range(FOREIGN_AUTHORS_CAP)]
        assert make_room(drivers)
        assert all(driver.closed for driver in drivers)
        bench = AuthorBench()
        busy = [ForeignAuthor(bytes([n, 1] * 16), bench.manifest.chain_id) for n in range(FOREIGN_AUTHORS_CAP)]
        op = bench.sign_elsewhere(0, bytes(32), Cancel(1))
        for driver in busy:
            driver.join(bench.manifest)
            driver.follow(op)
        assert not make_room(busy)
        assert not any(driver.closed for driver in busy)

    trio.run(main)


def test_no_op_is_sent_that_peers_would_not_take_yet() -> None:
    """Ops that were signed offline went at 64 per resend timer once those beyond the window were refused."""
    bench = AuthorBench()
    window = bench.manifest.limits.author_window
    chain = OpChain()
    for number in range(window + 3):
        chain.extend(bench.sign_elsewhere(number, chain.head, Cancel(number + 1)))
    bench.stored = StoredChain(chain.next_seq, chain.head, 0, 0, 0, tuple(chain.waiting()))
    bench.boot()
    bench.perform(bench.core.open(SYMBOL, bench.now()))
    sent = bench.core._delivery
    pair = bench.core._state.pairs[SYMBOL]
    pair.settled = True
    from gossipbook.trade.author_events import LinkUp

    bench.turn(LinkUp(b"b", bench.keys[1].public_key, own=False))
    effects = sent.send_new(pair, bench.now())
    del effects
    assert bench.core._state.links[b"b"].sent[SYMBOL] == window
    sent.certify(pair, 2, 1, bench.now())
    sent.send_new(pair, bench.now())
    assert bench.core._state.links[b"b"].sent[SYMBOL] == window + 2
