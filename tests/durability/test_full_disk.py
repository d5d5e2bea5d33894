"""A peer whose disk is full stops, says why, and has kept everything that it acked."""

import os
import sys
from pathlib import Path

import pytest
import trio

from durability.peers import PEER, Network, PeerProcess, Trader, network
from gossipbook.client_messages import Ack, AckLevel
from gossipbook.errors import GossipbookError
from gossipbook.ids import OpId
from gossipbook.matching.commands import Side
from gossipbook.storage.sqlite import SqliteJournal
from gossipbook.trade.opening import open_client

PAIR = "GOLD/USD"
FULL = [sys.executable, str(Path(__file__).parent / "planted" / "small_files.py")]
OPS_CAP = 400
LOW_CAP_BYTES = 160_000


async def fill(net: Network, peer: PeerProcess) -> dict[OpId, int]:
    """Submit ops until the peer stops; the best level that each acked op was told."""
    acked: dict[OpId, int] = {}

    def note(ack: Ack) -> None:
        if ack.level >= AckLevel.DURABLE:
            acked[ack.op_id] = max(ack.level, acked.get(ack.op_id, 0))

    with trio.fail_after(30):
        try:
            async with open_client(peer.address, net.manifest.chain_id, links=1) as client:
                client.on_ack = note
                trader = Trader(net.manifest, client)
                for _ in range(OPS_CAP):
                    submission = await trader.place(PAIR, Side.BUY, 40)
                    await submission.durable(within_s=3)
        except GossipbookError:
            pass  # It went away.
    return acked


def stored_ops(net: Network, peer: PeerProcess) -> tuple[set[OpId], set[OpId]]:
    """The ops in a stopped peer's journal: all of them, and those in finalized blocks."""
    public_key = peer.identity.public_key
    journal = SqliteJournal.open(peer.data, chain_id=net.manifest.chain_id, public_key=public_key)
    pair = journal.load()[PAIR]
    journal.close()
    final = {item.id for _, _, items in pair.chain for item in items}
    return final | {item.id for item in pair.pending}, final


async def grow(net: Network, peer: PeerProcess) -> None:
    """Give a peer a database of some hundred pages."""
    await peer.start()
    async with open_client(peer.address, net.manifest.chain_id, links=1) as client:
        trader = Trader(net.manifest, client)
        with trio.fail_after(20):
            for submission in [await trader.place(PAIR, Side.BUY, 200) for _ in range(40)]:
                await submission.certified()
    assert await peer.stop() == 0
    assert (peer.data / "journal.db").stat().st_size > LOW_CAP_BYTES


async def check_all_there(net: Network, peer: PeerProcess, acked: dict[OpId, int]) -> None:
    """There is space again: the peer goes on, and what it acked is in its journal."""
    peer.command = PEER
    await peer.start()
    async with open_client(peer.address, net.manifest.chain_id, links=1) as client:
        with trio.fail_after(10):
            submission = await Trader(net.manifest, client).place(PAIR, Side.SELL)
            await submission.certified()
    assert await peer.stop() == 0
    held, final = stored_ops(net, peer)
    assert set(acked) <= held
    assert {op_id for op_id, level in acked.items() if level == AckLevel.CERTIFIED} <= final


def refusing(strace: str, fault: str) -> list[str]:
    """A peer whose writer thread's system calls fail from some point on (strace counts them for each thread)."""
    return [strace, "-f", "--seccomp-bpf", "-qq", "-e", f"inject={fault}", "-e", "signal=none", "-o", os.devnull, *PEER]


async def run_until_full(net: Network, peer: PeerProcess) -> dict[OpId, int]:
    """Start the peer, fill its disk, and see it stop; what it acked."""
    await peer.start()
    acked = await fill(net, peer)
    code = await peer.ended()
    assert acked
    assert code == 4, peer.log()
    return acked


async def test_a_full_disk_stops_the_peer_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILE_BYTES_CAP", "300000")
    with network(tmp_path, 1, (PAIR,)) as net:
        [peer] = net.peers
        peer.command = FULL
        acked = await run_until_full(net, peer)
        log = peer.log()
        await check_all_there(net, peer, acked)
        assert "Free some space" in log
        assert "Traceback" not in log


@pytest.mark.parametrize("fault", ["pwrite64:error=ENOSPC:when=300+", "fdatasync:error=EIO:when=40+"])
async def test_a_disk_that_fails_for_good_loses_nothing(tmp_path: Path, strace: str, fault: str) -> None:
    with network(tmp_path, 1, (PAIR,)) as net:
        [peer] = net.peers
        peer.command = refusing(strace, fault)
        acked = await run_until_full(net, peer)
        log = peer.log()
        await check_all_there(net, peer, acked)
        assert "cannot write to" in log
        assert "Traceback" not in log


async def test_a_disk_too_full_to_close_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folding the log into the database fails as well; the first cause is what the operator is told."""
    monkeypatch.setenv("FILE_BYTES_CAP", str(LOW_CAP_BYTES))
    with network(tmp_path, 1, (PAIR,)) as net:
        [peer] = net.peers
        await grow(net, peer)
        peer.command = FULL
        acked = await run_until_full(net, peer)
        log = peer.log()
        await check_all_there(net, peer, acked)
        assert "Free some space" in log
        assert "Traceback" not in log


async def test_stopping_a_peer_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit fitted in, the checkpoint at the end does not: nothing is lost, and nobody needs a traceback."""
    monkeypatch.setenv("FILE_BYTES_CAP", str(LOW_CAP_BYTES))
    with network(tmp_path, 1, (PAIR,)) as net:
        [peer] = net.peers
        await grow(net, peer)
        peer.command = FULL
        await peer.start()
        async with open_client(peer.address, net.manifest.chain_id, links=1) as client:
            with trio.fail_after(10):
                submission = await Trader(net.manifest, client).place(PAIR, Side.SELL, 200)
                await submission.durable()
        await peer.stop()
        await check_all_there(net, peer, {submission.op.id: AckLevel.DURABLE})
        assert "Traceback" not in peer.log()
