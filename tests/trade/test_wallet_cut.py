"""A wallet whose caller, driver or program ends at any moment: each op is signed, kept, sent and certified once."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from consensus.kit import SYMBOL, buy

from gossipbook.errors import GossipbookError, WalletError
from gossipbook.trade.author_events import AuthorConfig, BlockSeen, LinkUp, Reloaded, WordHeard
from gossipbook.trade.blocks import CheckedBlock
from gossipbook.trade.outcome import NotSigned
from gossipbook.trade.submission import Submission
from gossipbook.trade.wallet import Wallet

from .bench import ME
from .honest import HonestNetwork, driven

STEPS = range(36)
STEP_S = 0.000_7
"""The last step is after all is done, on a disk that syncs within some milliseconds."""
ENOUGH_S = 20.0


def open_wallet(network: HonestNetwork, path: Path | None) -> Wallet:
    return Wallet(ME, network.chain_id, path, config=AuthorConfig(), fresh=False)


async def after(steps: int, act: Callable[[], None]) -> None:
    """Act at a chosen moment: first counted in the turns of other tasks, then also in what a disk takes."""
    for _ in range(steps):
        await trio.lowlevel.checkpoint()
    if steps > len(STEPS) // 3:
        await trio.sleep(steps * STEP_S)
    act()


async def cut_short(network: HonestNetwork, path: Path, steps: int, whom: str) -> tuple[list[Submission], int]:
    """Three orders at once, cut short; the submissions that callers got, and how many were told of no signature."""
    got: list[Submission] = []
    told = 0
    wallet = open_wallet(network, path)

    async def place() -> None:
        nonlocal told
        try:
            got.append(await wallet.submit(SYMBOL, lambda first: [buy(first)], within_s=0.3))
        except (NotSigned, WalletError):
            told += 1

    async with driven(wallet, network) as driving:
        scope = trio.CancelScope()
        acts = {"the caller": scope.cancel, "the driver": driving.cancel, "the wallet": wallet.close}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(after, steps, acts[whom])
            with scope:
                async with trio.open_nursery() as callers:
                    for _ in range(3):
                        callers.start_soon(place)
    wallet.close()
    return got, told


@pytest.mark.parametrize("whom", ["the caller", "the driver", "the wallet"])
async def test_cut_short_at_any_moment(tmp_path: Path, whom: str) -> None:
    network = HonestNetwork()
    path = tmp_path / "author.ops"
    Wallet(ME, network.chain_id, path).close()
    signed, promised, refused = 0, [], 0
    with trio.fail_after(ENOUGH_S):
        for steps in STEPS:
            got, told = await cut_short(network, path, steps, whom)
            again = open_wallet(network, path)
            now = again.next_client_id(SYMBOL) - 1
            # Who was told that nothing was signed was told the truth.
            assert now - signed <= 3 - told
            assert now - signed >= len(got)
            signed, refused = now, refused + told
            promised += got
            again.close()
        last = open_wallet(network, path)
        async with driven(last, network):
            submission = await last.submit(SYMBOL, lambda first: [buy(first)])
            await submission.certified()
            assert last.uncertified(SYMBOL) == []
        last.close()
    network.check()
    assert len(network.certified) == signed + 1
    assert {s.op.id for s in promised} <= {op.id for op in network.certified}
    assert promised or whom == "the driver"


async def test_a_wallet_closed_while_it_writes_says_what_became_of_the_op(tmp_path: Path) -> None:
    """Its submission is there, ends, and the op goes out with the next program that opens the wallet."""
    network = HonestNetwork()
    path = tmp_path / "author.ops"
    wallet = Wallet(ME, network.chain_id, path)
    with trio.fail_after(ENOUGH_S):
        async with driven(wallet, network):
            await (await wallet.submit(SYMBOL, lambda first: [buy(first)])).certified()

            async def close_while_writing() -> None:
                while not wallet._writing:
                    await trio.lowlevel.checkpoint()
                wallet.close()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(close_while_writing)
                try:
                    submission = await wallet.submit(SYMBOL, lambda first: [buy(first)])
                except WalletError:
                    submission = None
            if submission is not None:
                with pytest.raises(GossipbookError, match="closed"):
                    await submission.certified()
        again = open_wallet(network, path)
        assert again.next_client_id(SYMBOL) == (2 if submission is None else 3)
        again.close()


async def test_a_closed_wallet_is_let_go_by_its_driver_and_signs_nothing(tmp_path: Path) -> None:
    network = HonestNetwork()
    wallet = Wallet(ME, network.chain_id, tmp_path / "author.ops")
    ended = trio.Event()

    async def drive() -> None:
        await wallet.run()
        ended.set()

    with trio.fail_after(ENOUGH_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(drive)
            await trio.testing.wait_all_tasks_blocked()
            wallet.close()
            await ended.wait()
        with pytest.raises(WalletError, match="closed"):
            await wallet.submit(SYMBOL, lambda first: [buy(first)])
        with pytest.raises(WalletError, match="closed"):
            wallet.sign(SYMBOL, [buy(1)])


async def test_what_a_callers_function_raises_comes_out_at_the_caller(tmp_path: Path) -> None:
    network = HonestNetwork()
    wallet = Wallet(ME, network.chain_id, tmp_path / "author.ops")

    def make(_first: int) -> list[object]:
        raise KeyError("mine")

    with trio.fail_after(ENOUGH_S):
        async with driven(wallet, network):
            with pytest.raises(KeyError, match="mine"):
                await wallet.submit(SYMBOL, make)
            await (await wallet.submit(SYMBOL, lambda first: [buy(first)])).certified()
    wallet.close()
    network.check()


async def test_a_disk_that_fills_up_in_the_middle_costs_no_number(tmp_path: Path) -> None:
    network = HonestNetwork()
    wallet = Wallet(ME, network.chain_id, tmp_path / "author.ops")
    large = [buy(1)] * 150
    with trio.fail_after(ENOUGH_S):
        async with driven(wallet, network):
            await (await wallet.submit(SYMBOL, lambda first: [buy(first)])).certified()
            pages = wallet._file._db.execute("PRAGMA page_count").fetchone()[0]
            wallet._file._db.execute(f"PRAGMA max_page_count = {pages + 3}")
            said = []
            for _ in range(8):
                try:
                    await wallet.submit(SYMBOL, lambda first: [buy(first + i) for i in range(len(large))])
                except WalletError as error:
                    said.append(str(error))
            assert said
            assert all("full" in words for words in said)
            wallet._file._db.execute("PRAGMA max_page_count = 100000")
            submission = await wallet.submit(SYMBOL, lambda first: [buy(first)])
            await submission.certified()
            assert submission.op.seq == 9 - len(said)
    wallet.close()
    network.check()


async def test_what_is_certified_while_a_write_fails_counts_no_op_that_was_not_recorded(tmp_path: Path) -> None:
    """Else the next program would go on from an op that nobody has."""
    network = HonestNetwork()
    path = tmp_path / "author.ops"
    wallet = Wallet(ME, network.chain_id, path)
    with trio.fail_after(ENOUGH_S):
        async with driven(wallet, network):
            first = await wallet.submit(SYMBOL, lambda first: [buy(first)])
            await first.certified()
        (op,) = network.certified
        block = network.bench.checked(network.bench.proven(network.bench.holders[op.id]))
        assert isinstance(block, CheckedBlock)
        path = tmp_path / "again.ops"
        again = Wallet(ME, network.chain_id, path)
        again.join(network.bench.manifest)
        again.handle(LinkUp(b"a", network.bench.keys[0].public_key, own=False))
        again.use(SYMBOL)
        again.handle(WordHeard(b"a", network.bench.word(next_seq=0, newest=None, fc=None, block=b"")))
        again._file.begin()
        again._file.write([op], ())
        again.handle(Reloaded(SYMBOL, again._file.load(SYMBOL)))

        async def fail_after_a_block(work: Callable[[], object]) -> object:
            await trio.lowlevel.checkpoint()
            if work == again._file.begin or again.core.chain(SYMBOL).certified_seq:
                return work()
            again.handle(BlockSeen(block))
            raise sqlite3.OperationalError("database or disk is full")

        again._off_loop = fail_after_a_block  # type: ignore[method-assign, assignment]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(again.run)
            with pytest.raises(WalletError, match="full"):
                await again.submit(SYMBOL, lambda first: [buy(first)])
            nursery.cancel_scope.cancel()
        again.close()
    last = open_wallet(network, path)
    assert last.uncertified(SYMBOL) == []
    assert last.sign(SYMBOL, [buy(2)]).prev == op.id
    last.close()
