"""What is prepared is told before it is final, proven, and taken back where it does not become final."""

from dataclasses import replace

import pytest
import trio
from consensus.kit import SYMBOL, buy
from net.support import SYMBOL as PAIR
from net.support import make_network, open_peer, until

from gossipbook.client_messages import AckLevel, PreparedPart
from gossipbook.consensus.committee import COMMIT, PREPARE
from gossipbook.embedded import open_peer as embed
from gossipbook.identity import Identity
from gossipbook.trade.blocks import BlockReader
from gossipbook.trade.opening import open_client
from gossipbook.trade.prepared_blocks import PreparedStream
from gossipbook.trade.submission import Submission
from gossipbook.trade.wallet import Wallet

from .bench import VERIFIER, AuthorBench

ENOUGH_S = 20.0


async def test_a_client_is_told_of_what_is_prepared_before_it_is_final(tmp_path):
    network = make_network(tmp_path, 2)
    wallet = Wallet(Identity(bytes(32)), network.chain_id)
    prepared, final = [], []
    async with (
        open_peer(network, tmp_path / "peer1") as one,
        open_peer(network, tmp_path / "peer2", peers=tuple(map(str, one.addresses))),
        open_client(str(one.addresses[0]), manifest=network) as client,
        trio.open_nursery() as nursery,
    ):

        async def follow(blocks, kept):
            async for block in blocks:
                kept.append((block.height, block.block_id, trio.current_time()))

        nursery.start_soon(follow, client.prepared_blocks(PAIR), prepared)
        nursery.start_soon(follow, client.blocks(PAIR), final)
        pair = await client.pair(PAIR)
        with trio.fail_after(ENOUGH_S):
            async with client.book_feed(PAIR, prepared=True) as feed:
                for count in range(1, 6):
                    order = await pair.place(wallet, "buy", price_ticks=7, qty_lots=1)
                    await order.submission.prepared()
                    assert order.submission.level >= AckLevel.PREPARED
                    assert order.submission.taken_back == 0
                    await order.certified()
                    async for update in feed:
                        if update.height >= order.submission.height:
                            break
                    assert feed.ahead().l2().bids == ((7, count, count),)
            await until(lambda: len(final) == len(prepared) == 5)
        nursery.cancel_scope.cancel()
    found = {(height, block_id): at for height, block_id, at in prepared}
    for height, block_id, at in final:
        assert found[height, block_id] < at, "it was told before"


async def test_an_embedded_member_tells_its_own(tmp_path):
    async with embed(pairs=[PAIR], folder=tmp_path / "solo") as peer, trio.open_nursery() as nursery:
        pair, wallet, told = peer.pair(PAIR), peer.wallet(), []

        async def follow():
            told.append(await anext(pair.prepared_blocks()))

        nursery.start_soon(follow)
        await trio.testing.wait_all_tasks_blocked()
        with trio.fail_after(ENOUGH_S):
            order = await pair.place(wallet, "buy", price_ticks=7, qty_lots=1)
            await order.submission.prepared()
            await order.certified()
        assert [block.op_ids for block in told] == [(order.submission.op.id,)]
        assert not told[0].taken_back
        nursery.cancel_scope.cancel()


def test_a_submission_goes_back_and_is_prepared_again():
    bench = AuthorBench()
    op = bench.sign_elsewhere(0, bytes(32), buy(1))

    async def scenario():
        submission = Submission(op)
        submission.reach(AckLevel.DURABLE)
        submission.reach(AckLevel.PREPARED)
        submission.take_back()
        assert (submission.level, submission.taken_back) == (AckLevel.RELAYED, 1)
        submission.take_back()
        assert submission.taken_back == 1, "it was not prepared"
        submission.reach(AckLevel.PREPARED)
        assert submission.level == AckLevel.PREPARED
        submission.reach(AckLevel.CERTIFIED, 4)
        submission.take_back()
        assert submission.level == AckLevel.CERTIFIED, "what is final stays"

    trio.run(scenario)


def told(bench: AuthorBench, kind: int = PREPARE) -> PreparedPart:
    """A block of the bench as its members tell it when it is prepared."""
    raw, fc, before, events = bench.blocks[0]
    votes = bench.certificate(1, fc.block_id, kind=kind)
    return PreparedPart(SYMBOL, 1, 0, raw, votes, before, events, True)


@pytest.fixture
def bench() -> AuthorBench:
    made = AuthorBench()
    op = made.ops["first"] = made.sign_elsewhere(0, bytes(32), buy(1))
    made.certify(op)
    return made


def reader(bench: AuthorBench) -> BlockReader:
    return BlockReader({SYMBOL: bench.committee}, VERIFIER, own=False, prepared=True)


def test_only_a_prepare_certificate_proves_it(bench):
    good = told(bench)
    assert reader(bench).take(good).block.height == 1
    assert reader(bench).take(told(bench, COMMIT)) == "certificate of another block"
    forged = replace(good, nc=bench.certificate(1, good.nc.block_id, "d", kind=PREPARE))
    assert reader(bench).take(forged) == "an invalid certificate"
    assert reader(bench).take(replace(good, events=())) == "events that the block does not cover"
    assert reader(bench).take(replace(good, nc=None)) == "a block without its certificate"


def test_a_final_block_is_not_proven_by_a_prepare_certificate(bench):
    final = bench.proven(1)
    assert bench.checked(replace(final, fc=told(bench).nc)) == "certificate of another block"


def test_a_stream_tells_each_block_once_and_what_was_taken_back(bench):
    stream = PreparedStream(SYMBOL)
    checked = reader(bench).take(told(bench))
    (block,) = stream.take(checked)
    assert (block.op_ids, block.taken_back) == ((bench.ops["first"].id,), False)
    assert stream.take(checked) == []
    assert stream.standing == (block,)
    assert stream.final(1, bytes(32)) == [replace(block, taken_back=True)]
    assert stream.standing == ()
