"""Nothing that a peer says may depend on what a power cut could still take back.

Killing a process proves nothing of this: the page cache survives it. So one peer of a real network runs under
strace, and its trace is replayed: which bytes were synced when, and what left over its sockets when.
"""

import os
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest
import trio

from durability.checker import Verdict, check_trace
from durability.peers import PEER, Trader, all_certified, network
from durability.trace import OPTIONS
from gossipbook.matching.commands import Side
from gossipbook.trade.opening import open_client

PAIRS = ("GOLD/USD", "IRON/USD", "SALT/USD")
PLANTED = Path(__file__).parent / "planted"
ALWAYS = ("PREPARE", "COMMIT", "PROPOSE", "ack durable", "ack certified", "in a certificate")
WITHOUT_LEADER = ("TIMEOUT", "ack relayed", "HELD")  # what is said only where certifying takes a while
CERTIFIED_S = 20.0


async def run_traced(folder: Path, strace: str, command: list[str], *, kill_a_leader: bool = False) -> Verdict:
    """Trade at four peers, one of them traced, which leads a pair; then check its trace."""
    with network(folder, 4, PAIRS) as net:
        traced = net.leader(PAIRS[0])
        other_pair = next(symbol for symbol in PAIRS if net.leader(symbol) is not traced)
        doomed = net.leader(other_pair)
        bystander = next(peer for peer in net.peers if peer not in (traced, doomed))
        trace = folder / "trace"
        traced.command = [strace, *OPTIONS, "-o", str(trace), *command]
        await net.start(first=bystander)
        chain = net.manifest.chain_id
        async with (
            open_client(traced.address, chain, links=1) as here,
            open_client(bystander.address, chain, links=1) as there,
        ):
            traders = [(Trader(net.manifest, here), Side.BUY), (Trader(net.manifest, there), Side.SELL)]
            for size in (1, 3, 40):  # the largest one spills over a database page
                placed = [
                    await trader.place(symbol, side, size) for trader, side in traders for symbol in PAIRS for _ in "ab"
                ]
                await all_certified(placed, CERTIFIED_S)
            if kill_a_leader:
                assert doomed.pid is not None
                os.kill(doomed.pid, signal.SIGSTOP)  # Its links stay: whoever waits for it hears that an op is held.
                placed = [await trader.place(other_pair, side) for trader, side in traders for _ in "ab"]
                await all_certified(placed, CERTIFIED_S)
                doomed.kill()
        assert await traced.stop() == 0, traced.log()
        await net.stop()
        with trio.CancelScope(shield=True):
            return await trio.to_thread.run_sync(
                check_trace, trace, traced.data, net.manifest, traced.identity.public_key
            )


async def test_what_leaves_a_peer_is_durable(tmp_path: Path, strace: str) -> None:
    verdict = await run_traced(tmp_path, strace, PEER, kill_a_leader=True)
    print(dict(verdict.checked), f"{verdict.syncs} syncs, {verdict.reopened} images reopened")
    assert verdict.violations == []
    for kind in (*ALWAYS, *WITHOUT_LEADER, "events"):
        assert verdict.checked[kind] > 0, f"no {kind} was checked"
    assert verdict.reopened > 0


async def test_a_log_that_starts_over_keeps_it_durable(tmp_path: Path, strace: str) -> None:
    """The log is folded into the database and overwritten from its start while the peer works."""
    verdict = await run_traced(tmp_path, strace, [sys.executable, str(PLANTED / "small_log.py")])
    print(dict(verdict.checked), f"{verdict.syncs} syncs, {verdict.reopened} images reopened, {verdict.restarts} logs")
    assert verdict.violations == []
    for kind in ALWAYS:
        assert verdict.checked[kind] > 0, f"no {kind} was checked"
    assert verdict.restarts > 3


@pytest.mark.parametrize(
    ("planted", "early"),
    [("sync_normal", ("PREPARE", "COMMIT", "PROPOSE", "ack durable")), ("outputs_first", ("PREPARE", "COMMIT"))],
)
async def test_a_planted_bug_is_noticed(tmp_path: Path, strace: str, planted: str, early: tuple[str, ...]) -> None:
    verdict = await run_traced(tmp_path, strace, [sys.executable, str(PLANTED / f"{planted}.py")])
    found = Counter(line.split(" left ")[0] for line in verdict.violations if "left before it was durable" in line)
    print(dict(verdict.checked), "early:", dict(found))
    for kind in early:
        assert found[kind] > 0, f"{verdict.checked[kind]} of {kind} were checked, and no early one was noticed"
