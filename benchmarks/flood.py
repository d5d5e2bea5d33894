"""Strangers flood four peers on loopback while an honest trader trades: latency, CPU and memory, calm and flooded.

    python benchmarks/flood.py [seconds of the flood] [strangers] [cores they use together]

Each stretch is compared with the calm one before it. The peers are processes as operators start them, the strangers a
program of their own (tests/hostile/strangers.py) which sends all kinds of messages, valid and not.
"""

import statistics
import sys
import tempfile
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import trio

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "benchmarks")]

from hostile.flood import Trader, four_peers, resident_bytes, strangers, told_by, trade_for  # noqa: E402
from simulation import yardstick  # noqa: E402

from gossipbook.trade.opening import open_client  # noqa: E402

CALM_S, PER_S = 30.0, 20.0
STRETCHES = 5  # into which the flood is cut, to see what grows


async def main() -> None:
    seconds, count, cores = (float(w) for w in (*sys.argv[1:], *("600", "20", "0.5")[len(sys.argv) - 1 :]))
    print(f"yardstick {yardstick():.2f} s; {count:g} strangers with {cores:g} cores, {PER_S:g} honest orders a s")
    with tempfile.TemporaryDirectory() as folder:
        async with four_peers(Path(folder)) as network, AsyncExitStack() as stack:
            chain = network.manifest.chain_id
            clients = [await stack.enter_async_context(open_client(p.address, chain, links=1)) for p in network.peers]
            traders = [Trader(network, client) for client in clients]
            await trade_for(network, traders, 3.0, PER_S)
            calm = await trade_for(network, traders, CALM_S, PER_S)
            print("calm:   ", calm.told(), flush=True)
            pids = [peer.pid or 0 for peer in network.peers]
            memory = []
            async with strangers(network, int(count), seconds, cores) as sent:
                for _ in range(STRETCHES):
                    flooded = await trade_for(network, traders, seconds / STRETCHES, PER_S)
                    memory.append([resident_bytes(pid) for pid in pids])
                    print("flooded:", flooded.told(), flush=True)
                    extra = statistics.fmean(flooded.cores) - statistics.fmean(calm.cores)
                    mib = ", ".join(f"{each / 2**20:.0f}" for each in memory[-1])
                    times = flooded.at(0.99) / calm.at(0.99)
                    print(f"          p99 x {times:.2f}; {extra:.3f} cores a peer on strangers; {mib} MiB", flush=True)
                print("sent:", dict(sent().most_common()))
            after = await trade_for(network, traders, CALM_S, PER_S)
            print("after:  ", after.told())
            for peer in network.peers:
                status = await told_by(peer.address, chain)
                print(peer.name, dict(Counter(status["rejected"]).most_common(12)))


if __name__ == "__main__":
    trio.run(main)
