"""One demonstration from an empty folder to a verdict."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import trio

from gossipbook.audit import verify_exports
from gossipbook.demo.faults import Fault, FaultInjector
from gossipbook.demo.gateway import GatewayProcess
from gossipbook.demo.monitor import Monitor
from gossipbook.demo.network import DemoFailed, DemoNetwork
from gossipbook.demo.screen import Screen
from gossipbook.demo.source import MAKERS, TAKERS, merged_flow
from gossipbook.demo.traders import Floor
from gossipbook.demo.verdict import DemoResult, export_all, judge
from gossipbook.flow import FlowStep
from gossipbook.storage.sqlite import final_ids

LINK_UP_S = 30.0
DRAIN_S = 60.0
SETTLE_S = 20.0

ProgressFactory = Callable[[str], Callable[[int, int], None]]


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What to demonstrate. ``limit`` None: the whole flow file. ``gateway``: with a page to look at meanwhile."""

    folder: Path
    flow: Path | None = None
    limit: int | None = 6_000
    ops_per_s: float | None = None
    commands_per_op: int = 1
    fault: Fault = "none"
    seed: int = 1
    gateway: bool = False


async def run_demo(options: DemoOptions, progress: ProgressFactory, on_page: Callable[[str], None]) -> DemoResult:
    """Start a network, trade, inject the fault, stop everything, and have the result audited."""
    started = time.monotonic()
    network = DemoNetwork(options.folder)
    gateway = GatewayProcess(options.folder / "gateway", options.folder / "network.toml") if options.gateway else None
    if gateway is not None:
        network.admit(gateway.client)
    acks_file = options.folder / "acks.ndjson"
    steps, total = merged_flow(network.manifest.symbols(), options.flow, options.limit, options.seed)
    try:
        await network.start()
        if gateway is not None:
            await gateway.start([peer.address for peer in network.peers])
            on_page(gateway.url)
        floor = Floor(
            chain_id=network.manifest.chain_id,
            addresses=[peer.address for peer in network.peers],
            client=network.client,
            authors=MAKERS + TAKERS,
            commands_per_op=options.commands_per_op,
            ops_per_s=options.ops_per_s,
            seed=options.seed,
            acks_file=acks_file,
        )
        monitor = Monitor(network)
        injector = FaultInjector(network, floor, monitor, options.fault, total or _count(options.flow))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(monitor.run)
            screen = Screen(network.manifest, floor, monitor, injector.report, total)
            nursery.start_soon(screen.run)
            if not await monitor.until(lambda m: m.linked(), LINK_UP_S):
                raise DemoFailed(f"the peers did not find each other in {LINK_UP_S:.0f} s")
            nursery.start_soon(floor.run)
            await _trade(floor, injector, steps)
            await _settle(floor, monitor, injector)
            nursery.cancel_scope.cancel()
        floor.close()
        if gateway is not None:
            await gateway.stop()
        await network.stop()
    finally:
        if gateway is not None:
            gateway.kill()
        network.kill_all()
    exports = await trio.to_thread.run_sync(export_all, network, options.folder, progress("exporting"))
    report = await trio.to_thread.run_sync(lambda: verify_exports(exports, acks_file, progress=progress("verifying")))
    tips = final_ids(network.peers[0].folder / "data" / "journal.db")
    return judge(network, floor, monitor, injector.report, report, time.monotonic() - started, tips)


async def _trade(floor: Floor, injector: FaultInjector, steps: Iterator[tuple[str, FlowStep]]) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(injector.run)
        nursery.start_soon(floor.feed, steps, injector.gates)


async def _settle(floor: Floor, monitor: Monitor, injector: FaultInjector) -> None:
    """Wait for the last certifications, and for all peers to be at the same tips."""
    certified = -1
    while floor.uncertified and floor.tally.ops_certified != certified:
        certified = floor.tally.ops_certified
        with trio.move_on_after(DRAIN_S):
            await floor.drained()
    if not await monitor.until(lambda m: m.settled(), SETTLE_S):
        injector.report.problems.append("the peers did not come to the same tips with nothing pending")
    await injector.check_votes()


def _count(flow: Path | None) -> int:
    """About how many commands a flow file holds, to time a fault by."""
    if flow is None:
        return 0
    return math.ceil(flow.stat().st_size / 42)  # bytes a row of a LOBSTER message file
