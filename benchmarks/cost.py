"""What one op and one block cost each of four peers: CPU, messages, bytes, signatures, syncs.

python benchmarks/cost.py [--seconds 20]

Four peers on this machine, three pairs; the traders are another process's (this one). Three loads: 20 ops a second of
one command; as many as are taken, of one command and of 16. CPU is that of the peers' processes while the load lasts.
"""

import argparse
import math
import os
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio
from simulation import yardstick

from gossipbook.demo.network import DemoNetwork
from gossipbook.demo.source import MAKERS, TAKERS, merged_flow
from gossipbook.demo.traders import Floor
from gossipbook.trade.opening import open_client

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
COUNTED = ("messages in", "bytes in", "frames in", "signatures verified", "commits", "turns")


@dataclass
class Sum:
    """What the peers have done since they were started, together."""

    cpu_s: float = 0.0
    ops: int = 0
    commands: int = 0
    blocks: int = 0
    counts: dict[str, int] | None = None


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


async def look(network: DemoNetwork) -> Sum:
    told = Sum(counts=dict.fromkeys(COUNTED, 0))
    for peer in network.peers:
        assert peer.pid is not None
        assert told.counts is not None
        told.cpu_s += cpu_s(peer.pid)
        async with open_client(peer.address, network.manifest.chain_id, network.client, links=1) as client:
            status: dict[str, Any] = await client.query("status")
            links: list[dict[str, Any]] = await client.query("peers")
        for name in COUNTED:
            told.counts[name] += status["counts"].get(name, 0)
            told.counts[name] += sum(link.get(name.replace(" ", "_"), 0) for link in links if link["role"] == "peer")
        told.blocks += sum(pair["height"] for pair in status["pairs"])
        told.ops += sum(pair["certified_ops"] for pair in status["pairs"])
        told.commands += sum(pair["certified_commands"] for pair in status["pairs"])
    return told


async def measure(seconds: float, commands_per_op: int, ops_per_s: float | None) -> str:
    with tempfile.TemporaryDirectory() as folder:
        network = DemoNetwork(Path(folder) / "net")
        try:
            await network.start()
            await trio.sleep(2)
            steps, _ = merged_flow(network.manifest.symbols(), None, None, 1)
            floor = Floor(
                chain_id=network.manifest.chain_id,
                addresses=[peer.address for peer in network.peers],
                client=network.client,
                authors=MAKERS + TAKERS,
                commands_per_op=commands_per_op,
                ops_per_s=ops_per_s,
                seed=random.Random(1).getrandbits(32),
                acks_file=Path(folder) / "acks",
            )
            async with trio.open_nursery() as nursery:
                nursery.start_soon(floor.run)
                with trio.move_on_after(4):  # until every author was let in
                    await floor.feed(steps, {})
                before = await look(network)
                at = len(floor.tally.certify_ms)
                began_s = trio.current_time()
                with trio.move_on_after(seconds):
                    await floor.feed(steps, {})
                took_s = trio.current_time() - began_s
                after = await look(network)
                waits = sorted(floor.tally.certify_ms[at:])
                nursery.cancel_scope.cancel()
            floor.close()
            await network.stop()
        finally:
            network.kill_all()
    peers = len(network.peers)
    ops, blocks = (after.ops - before.ops) / peers, (after.blocks - before.blocks) / peers
    cpu_ms = 1_000 * (after.cpu_s - before.cpu_s) / peers
    assert after.counts is not None
    assert before.counts is not None
    p50, p99 = (waits[min(len(waits) - 1, math.floor(share * len(waits)))] for share in (0.5, 0.99))
    rows = [
        f"{ops / took_s:,.0f} ops/s, {(after.commands - before.commands) / peers / took_s:,.0f} commands/s",
        f"{ops / blocks:.2f} ops a block; submit to certified p50 {p50:.1f}, p99 {p99:.1f} ms",
        f"CPU a peer: {cpu_ms / ops:.2f} ms an op, {cpu_ms / blocks:.2f} ms a block",
    ]
    for name in COUNTED:
        count = (after.counts[name] - before.counts[name]) / peers
        rows.append(f"{name}: {count / ops:,.1f} an op, {count / blocks:,.1f} a block")
    return "\n".join(f"  {row}" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--load", choices=("calm", "one", "sixteen"))
    options = parser.parse_args()
    print(f"yardstick {yardstick():.2f} s")
    loads: dict[str, tuple[int, float | None]] = {"calm": (1, 20.0), "one": (1, None), "sixteen": (16, None)}
    for name, (commands_per_op, ops_per_s) in loads.items():
        if options.load in (None, name):
            print(f"{name}: {commands_per_op} to an op, {ops_per_s or 'as many as are taken'}")
            print(trio.run(measure, options.seconds, commands_per_op, ops_per_s), flush=True)


if __name__ == "__main__":
    main()
