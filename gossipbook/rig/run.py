"""Run one scenario on real peers, from an empty folder to a verdict."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import trio

from gossipbook.errors import ScenarioError, ungrouped
from gossipbook.ids import ChainId
from gossipbook.rig.injector import RealInjector
from gossipbook.rig.judge import RealResult, RunEvidence, export_chains, judge
from gossipbook.rig.minority_check import MinorityCheck
from gossipbook.rig.peer_clients import PeerClients
from gossipbook.rig.processes import RealNetwork, RigFailed
from gossipbook.rig.proxy import Proxy
from gossipbook.rig.refuse import refusals
from gossipbook.rig.roles import RealRoles
from gossipbook.rig.traders import Traders
from gossipbook.rig.wires import Wires
from gossipbook.scenario.chance import seeded
from gossipbook.scenario.conditions import WireConditions
from gossipbook.scenario.orders import agents_orders
from gossipbook.scenario.scenario import Scenario
from gossipbook.storage.sqlite import final_ids

LINK_UP_S = 60.0
FIRST_ORDER_S = 0.1  # after everybody is linked
PROGRESS_S = 0.25


@dataclass(frozen=True, slots=True)
class RealProgress:
    """How far a run is. ``stage`` is starting, trading, healing, stopping or judging; ``at_s`` counts from the first
    order and is below zero before; ``active`` are the faults that are on."""

    stage: str
    at_s: float
    ops_submitted: int
    ops_certified: int
    term_changes: int
    heights: dict[str, int]
    active: tuple[str, ...]


class _Run:
    """The parts of one run, connected but not yet started."""

    def __init__(self, scenario: Scenario, seed: int, folder: Path, network: RealNetwork) -> None:
        part = scenario.network
        chain_id: ChainId = network.manifest.chain_id
        orders = agents_orders(scenario.workload, part.pairs, seed)
        self.scenario = scenario
        self.network = network
        self.began_s = time.monotonic()
        self.start_s = float("inf")
        self.stage = "starting"
        self.first_term = 0
        self.acks_file = folder / "acks.ndjson"
        addresses = [peer.address for peer in network.peers]
        self.traders = Traders(orders, network.manifest, addresses, self.acks_file)
        self.clients = PeerClients(network.peers, chain_id)
        self.wires = Wires(part.peers, seeded(seed, "wires"), WireConditions.usual(part))
        self.proxy = Proxy(self.wires)
        self.roles = RealRoles(network.manifest, part.peers, seed, self.clients)
        self.minority_check = MinorityCheck(network, self.wires, self.roles, self.clients)
        self.injector = RealInjector(network, self.wires, self.roles, self.minority_check, seed)

    @property
    def term_changes(self) -> int:
        return sum(self.clients.terms.values()) - self.first_term

    def progress(self) -> RealProgress:
        heights: dict[str, int] = {}
        for sample in self.clients.samples:
            heights[sample.symbol] = max(heights.get(sample.symbol, 0), sample.height)
        at_s = -1.0 if self.start_s == float("inf") else trio.current_time() - self.start_s
        counts = self.traders.counts
        return RealProgress(
            self.stage,
            at_s,
            counts.submitted,
            counts.certified,
            self.term_changes,
            heights,
            tuple(self.injector.active),
        )


async def run_real(
    scenario: Scenario, seed: int, *, folder: Path, progress: Callable[[RealProgress], None]
) -> RealResult:
    """Run a scenario on real peer processes in real time, and judge it. ``folder`` is new or empty, and is kept.

    The seed fixes the orders and whom the faults mean; the peers' keys, and with them the seats, are new each time.
    ``progress`` is told a few times a second. However this ends, it leaves no process behind.

    Raises:
        ScenarioError: real peers cannot be given what the scenario asks for; names all of it.
        RigFailed: a peer did not start, the peers did not find one another in fair weather, or went past the proxy.
    """
    evidence = await observe(scenario, seed, folder=folder, progress=progress)
    return await trio.to_thread.run_sync(judge, evidence)


async def observe(
    scenario: Scenario, seed: int, *, folder: Path, progress: Callable[[RealProgress], None]
) -> RunEvidence:
    """Run as :func:`run_real` does, and return the evidence without a verdict."""
    refused = refusals(scenario)
    if refused:
        raise ScenarioError(f"{scenario.name} cannot be run on real peers: {'; '.join(refused)}")
    await trio.Path(folder).mkdir(parents=True, exist_ok=True)
    with ungrouped(), RealNetwork(folder, scenario.network) as network:
        run = _Run(scenario, seed, folder, network)
        try:
            async with trio.open_nursery() as watching:
                watching.start_soon(_tell, run, progress)
                evidence = await _carry_out(run)
                run.stage = "judging"
                await trio.to_thread.run_sync(_export, run, evidence)
                watching.cancel_scope.cancel()
        finally:
            run.traders.close()
    return evidence


async def _tell(run: _Run, progress: Callable[[RealProgress], None]) -> None:
    while True:
        progress(run.progress())
        await trio.sleep(PROGRESS_S)


async def _carry_out(run: _Run) -> RunEvidence:
    """Start all processes, trade, heal, settle and stop all processes."""
    expect = run.scenario.expect
    async with trio.open_nursery() as nursery:
        await run.proxy.open(nursery)
        await run.network.start(run.proxy)
        nursery.start_soon(run.clients.run)
        if not await run.clients.until(run.clients.linked, LINK_UP_S):
            raise RigFailed(f"the peers did not find one another in {LINK_UP_S:.0f} s")
        nursery.start_soon(run.traders.trade)
        await _trade(run)
        run.stage = "healing"
        healed_s = trio.current_time()
        settled = await _settle(run, expect.heal_s)
        heal_s = trio.current_time() - healed_s
        final = {client.peer.name: status for client in run.clients.all if (status := await client.ask()) is not None}
        await _keep_to_the_proxy(run)
        run.stage = "stopping"
        nursery.cancel_scope.cancel()
    await run.network.stop()
    problems = [] if settled else [f"I4: the peers did not come to the same tips in {expect.heal_s:g} s after the heal"]
    return RunEvidence(
        scenario=run.scenario,
        manifest=run.network.manifest,
        exports=[],
        acks=run.acks_file,
        chain={},
        samples=list(run.clients.samples),
        final=final,
        problems=problems + _seen(run),
        minority_checks=run.minority_check.checks,
        counts=run.traders.counts,
        term_changes=run.term_changes,
        heal_s=heal_s,
        log=tuple(run.injector.log),
    )


async def _trade(run: _Run) -> None:
    """Trade from the first order to the heal, with all faults."""
    run.stage = "trading"
    run.first_term = sum(run.clients.terms.values())
    run.start_s = trio.current_time() + FIRST_ORDER_S
    async with trio.open_nursery() as nursery:
        heal_s = run.start_s + run.scenario.workload.seconds
        nursery.start_soon(run.injector.run, run.scenario.faults, run.start_s, heal_s)
        nursery.start_soon(run.traders.sign, run.start_s)


async def _settle(run: _Run, within_s: float) -> bool:
    """Wait until all ops are certified and all peers are at the same tips; return whether that came in time."""
    with trio.move_on_after(within_s):
        while True:
            await run.clients.until(lambda: run.traders.all_certified and run.clients.settled(), float("inf"))
            for client in run.clients.all:
                await client.ask()
            if run.traders.all_certified and run.clients.settled():
                return True
    return False


def _seen(run: _Run) -> list[str]:
    """Return the problems that were seen during the run."""
    problems = [f"I5: {line}" for line in run.clients.backward] + run.minority_check.problems
    for peer in run.network.peers:
        problems += peer.exits
        if "Traceback" in peer.log_file.read_text(errors="replace"):
            problems.append(f"{peer.name} wrote a traceback into {peer.log_file}")
    return problems


def _export(run: _Run, evidence: RunEvidence) -> None:
    folder = run.network.folder
    run.traders.close()
    names = [peer.name for peer in run.network.peers]
    evidence.exports, evidence.votes = export_chains(folder, run.network.manifest, names)
    for name in names:
        evidence.chain = final_ids(folder / name / "data" / "journal.db") | evidence.chain
    evidence.wall_s = time.monotonic() - run.began_s


async def _keep_to_the_proxy(run: _Run) -> None:
    """Check that no peer dialled another past the proxy, where no fault would have hit it.

    Raises:
        RigFailed: names the peer and where it dialled.
    """
    for client in run.clients.all:
        own = {run.proxy.address(client.peer.index, other) for other in run.roles.peers if other != client.peer.index}
        strays = [row["address"] for row in await client.links() if row["outbound"] and row["address"] not in own]
        if strays:
            raise RigFailed(f"{client.peer.name} has dialled {', '.join(strays)}, past the proxy")
