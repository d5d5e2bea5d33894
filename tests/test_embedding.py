"""The embedded peer, as a program that embeds it would use it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import trio

import gossipbook
from gossipbook.errors import ConfigError
from gossipbook.matching.commands import Cancel, Place, SelfTrade, Side
from gossipbook.matching.events import Accepted, Cancelled, Fill
from gossipbook.storage.keys import create_key

ROOT = Path(__file__).parent.parent
PAIR = "BTC-USD"
ENOUGH_S = 30.0

PUBLIC = {
    *("Accepted", "AckLevel", "Amended", "AuthorStanding", "BadNumber", "BadOrder", "BookDiverged", "BookError"),
    *("BookFeed", "BookUpdate", "BookView", "Cancelled", "Certified", "CertifiedBlock", "Client", "ClientPair"),
    *("Command", "ConfigError", "EmbeddedPair", "EmbeddedPeer", "Event", "Expired", "FeedRefused", "Fill"),
    *("FolderLocked", "Frozen", "GossipbookError", "Grouped", "HandshakeError", "Identity", "JournalError"),
    *("JournalFull", "KeyFileError", "L1", "L3Book", "Lagged", "LaterRules", "LeaseEnded", "Leased", "Level"),
    *("LevelChange", "LevelView", "LinkClosed", "Manifest", "ManifestError", "Matcher", "NoAnswer", "NotSigned"),
    *(
        "NothingToSign",
        "Op",
        "OrderChange",
        "OrderState",
        "OutcomeUnknown",
        "Pair",
        "PairCondition",
        "PairStanding",
        "PairState",
    ),
    *("PairStateSet", "PeerConfig", "PlacedOrder", "ProofKind", "QueryFailed", "RejectReason", "Rejected", "SelfTrade"),
    *(
        "Sliced",
        "StopAccepted",
        "Submission",
        "SubmitRefused",
        "TextIdUsed",
        "Ticket",
        "Triggered",
        "Uncrossed",
        "VerifyError",
    ),
    *("Wallet", "WalletError", "WrongLoop", "aio", "create_key", "load_key", "open_client", "open_peer", "sync"),
}


def test_the_public_names_are_these() -> None:
    assert set(gossipbook.__all__) == PUBLIC
    for name in PUBLIC:
        assert getattr(gossipbook, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = gossipbook.nothing


def test_a_core_can_be_imported_without_the_network() -> None:
    code = "import gossipbook.matching.engine, sys; print([m for m in ('trio', 'sqlite3') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_the_readme_example_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (code,) = (block for block in blocks if "open_peer" in block)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "status='filled'" in done.stdout
    assert "open_lots=2" in done.stdout


async def test_trading_in_a_network_of_one() -> None:
    blocks: list[gossipbook.CertifiedBlock] = []
    with trio.fail_after(ENOUGH_S):
        async with gossipbook.open_peer(pairs=[PAIR]) as peer, trio.open_nursery() as nursery:
            pair = peer.pair(PAIR)

            async def read(task_status: trio.TaskStatus[None]) -> None:
                source = pair.blocks()
                nursery.start_soon(collect, source)
                await trio.testing.wait_all_tasks_blocked()
                task_status.started()

            async def collect(source: object) -> None:
                async for block in source:  # type: ignore[attr-defined]
                    blocks.append(block)  # noqa: PERF401 - a list at the end of an endless source never comes

            await nursery.start(read)
            alice, bob = peer.wallet(), peer.wallet()
            offer = await pair.place(alice, "sell", price_ticks=100, qty_lots=5)
            await offer.submission.durable()
            await offer.submission.relayed()
            assert (await offer.certified()).height == 1
            taken = await pair.place(bob, "buy", price_ticks=101, qty_lots=3, tif="ioc")
            done = await taken.certified()
            assert (done.height, done.filled_lots, done.rejected, done.proof) == (
                2,
                3,
                "",
                gossipbook.ProofKind.OWN_PEER,
            )
            state = taken.state()
            assert state is not None
            assert (state.status, state.filled_lots) == ("filled", 3)
            assert [(level.price_ticks, level.open_lots) for level in pair.book().asks] == [(100, 2)]
            await (await pair.amend(alice, 1, qty_lots=4, reduce_only=True)).certified()
            await (await pair.cancel(alice, 1)).certified()
            remaining = offer.state()
            assert remaining is not None
            assert (remaining.status, remaining.filled_lots, remaining.cancelled_lots) == ("cancelled", 3, 1)
            nursery.cancel_scope.cancel()
    kinds = [type(event) for block in blocks for event in block.events]
    assert kinds[:3] == [Accepted, Accepted, Fill]
    assert kinds[-1] is Cancelled
    assert [block.height for block in blocks] == [1, 2, 3, 4]


async def test_submitting_again_and_refusals() -> None:
    with trio.fail_after(ENOUGH_S):
        async with gossipbook.open_peer(pairs=[PAIR]) as peer:
            pair, wallet = peer.pair(PAIR), peer.wallet()
            op = wallet.sign(PAIR, [Place(1, Side.BUY, 1, 100, 5, 1, 0, SelfTrade.CANCEL_TAKER, 0)])
            first, again = await peer.submit(op), await peer.submit(op)
            assert (await first.certified()).height == (await again.certified()).height == 1
            assert (await (await peer.submit(op)).certified()).height == 1, "also long after"
            stranger = gossipbook.Wallet(wallet.identity, wallet.chain_id)
            with pytest.raises(gossipbook.OutcomeUnknown, match="another op of its author has its number"):
                await (await peer.submit(stranger.sign(PAIR, [Cancel(7)]))).certified()
            with pytest.raises(ConfigError, match="not followed"):
                peer.pair("ETH-USD")
            with pytest.raises(ConfigError, match="side"):
                await pair.place(wallet, "long", price_ticks=1, qty_lots=1)


async def test_without_a_manifest_pairs_are_needed() -> None:
    with pytest.raises(ConfigError, match="pairs"):
        async with gossipbook.open_peer():
            pass


@pytest.mark.parametrize("setting", ["pairs", "peers", "bootstrap", "advertise"])
async def test_a_text_in_place_of_a_list_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match=rf"{setting}: expected a list, such as \['BTC-USD'\], not text"):
        async with gossipbook.open_peer(**{"pairs": ["BTC-USD"], setting: "BTC-USD"}):  # type: ignore[arg-type]
            pass


async def test_the_book_outlives_the_program(tmp_path: Path) -> None:
    """The same folder again: the same book, and the next block follows."""
    key = create_key(tmp_path / "keys" / "peer.key")
    matcher = gossipbook.Matcher("solo", key.public_key, "solo")
    manifest = gossipbook.Manifest("kept", (gossipbook.Pair(PAIR),), (matcher,), 1, "crash")
    with trio.fail_after(ENOUGH_S):
        async with gossipbook.open_peer(manifest, folder=tmp_path, dht=False) as peer:
            await (await peer.pair(PAIR).place(peer.wallet(), "buy", price_ticks=100, qty_lots=5)).certified()
            before = peer.pair(PAIR).book()
        async with gossipbook.open_peer(manifest, folder=tmp_path, dht=False) as peer:
            pair = peer.pair(PAIR)
            assert pair.book() == before
            placed = await pair.place(peer.wallet(), "sell", price_ticks=100, qty_lots=5)
            assert (await placed.certified()).height == 2
            assert pair.book().bids == ()


async def test_two_embedded_peers_and_a_client(tmp_path: Path) -> None:
    """A matcher and a follower in one program; the follower's client trades through it."""
    key = create_key(tmp_path / "one" / "keys" / "peer.key")
    matcher = gossipbook.Matcher("one", key.public_key, "one")
    manifest = gossipbook.Manifest("two", (gossipbook.Pair(PAIR),), (matcher,), 1, "crash")
    with trio.fail_after(ENOUGH_S):
        async with (
            gossipbook.open_peer(manifest, folder=tmp_path / "one", dht=False) as one,
            gossipbook.open_peer(manifest, folder=tmp_path / "two", dht=False, peers=one.addresses) as two,
            gossipbook.open_client(two.addresses[0], manifest.chain_id) as client,
        ):
            wallet = two.wallet()
            op = wallet.sign(PAIR, [Place(1, Side.BUY, 1, 100, 5, 1)])
            assert (await (await client.submit(op)).certified()).height == 1
            while two.pair(PAIR).height < 1:  # The proof may have come from the other one.
                await trio.testing.wait_all_tasks_blocked(0.001)
            assert one.pair(PAIR).book() == two.pair(PAIR).book()
            assert (await client.query("order", PAIR, wallet.identity.public_key.hex(), "1"))["status"] == "open"
