"""The trading floor: authors who sign ops from an order flow and bring them to peers.

All of them trade through one client, which is linked to several peers: when one dies, what was under way goes on
through the others, the same signed bytes, so that nothing can happen twice. What a peer acknowledged is written down,
for the auditor.
"""

import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import trio

from gossipbook.client_messages import Ack, AckLevel
from gossipbook.errors import GossipbookError
from gossipbook.flow import FlowStep
from gossipbook.identity import Identity
from gossipbook.ids import ChainId, OpId
from gossipbook.matching.commands import Command
from gossipbook.trade.author_driver import PASSING_REFUSALS
from gossipbook.trade.author_events import AuthorConfig
from gossipbook.trade.opening import open_client
from gossipbook.trade.submission import Submission
from gossipbook.trade.wallet import Wallet

OPS_IN_FLIGHT = 32  # an author's uncertified ops; more waits with the author
RETRY_S = 0.2


@dataclass
class TradingCounts:
    """What the floor counted, times in ``trio.current_time()`` seconds."""

    ops_submitted: int = 0
    commands_submitted: int = 0
    ops_certified: int = 0
    durable_acks: int = 0
    first_submit_s: float = 0.0
    last_certified_s: float = 0.0
    last_height: int = 0
    """Of the highest block with one of the ops."""
    certify_ms: list[float] = field(default_factory=list)
    refusals: dict[str, int] = field(default_factory=dict)


class DemoTrader:
    """One author: a wallet, and the commands of the ops in the making."""

    def __init__(self, floor: "Floor") -> None:
        self.identity = Identity(floor.rng.randbytes(32))
        config = AuthorConfig(in_flight_cap=OPS_IN_FLIGHT, resends_at_once=OPS_IN_FLIGHT)
        self.wallet = Wallet(self.identity, floor.chain_id, config=config)
        self._floor = floor
        self._batches: dict[str, list[Command]] = {}

    async def add(self, pair: str, command: Command) -> None:
        """Take a command into the op in the making; signs the op when it is full."""
        batch = self._batches.setdefault(pair, [])
        batch.append(command)
        if len(batch) >= self._floor.commands_per_op:
            await self.flush(pair)

    async def flush(self, pair: str) -> None:
        """Sign what there is, waiting while too many ops are uncertified."""
        batch = self._batches.pop(pair, None)
        if not batch:
            return
        await self._floor.pace()
        await self._floor.linked(self.wallet, pair)
        self._floor.follow(await self.wallet.submit(pair, lambda _: batch, within_s=math.inf))

    async def flush_all(self) -> None:
        for pair in list(self._batches):
            await self.flush(pair)


class Floor:
    """All authors, fed from one merged stream of (pair, step)."""

    def __init__(
        self,
        *,
        chain_id: ChainId,
        addresses: Sequence[str],
        client: Identity,
        authors: int,
        commands_per_op: int,
        ops_per_s: float | None,
        seed: int | None,
        acks_file: Path,
    ) -> None:
        self.chain_id = chain_id
        self.addresses = list(addresses)
        self._key = client  # of its links
        self.commands_per_op = commands_per_op
        self.rng = random.Random(seed)
        self.tally = TradingCounts()
        self.failures: list[str] = []
        self.traders = [DemoTrader(self) for _ in range(authors)]
        self.fed = False
        self._gates_reached: dict[int, trio.Event] = {}
        self._interval_s = 1.0 / ops_per_s if ops_per_s else 0.0
        self._next_s = 0.0
        self._ready = trio.Event()
        self._changed = trio.Event()
        self._waiting: dict[OpId, Submission] = {}
        self._acked: dict[OpId, AckLevel] = {}
        self._acks: IO[str] = acks_file.open("x", encoding="utf-8")  # acks are evidence: never overwritten

    async def run(self) -> None:
        """Keep connected until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            while True:
                try:
                    links = len(self.addresses)
                    async with open_client(self.addresses, self.chain_id, self._key, links=links) as self._client:
                        self._client.on_ack = self._on_ack
                        self._ready.set()
                        await trio.sleep_forever()
                except GossipbookError:
                    await trio.sleep(RETRY_S)  # No peer is up yet.

    async def linked(self, wallet: Wallet, pair: str) -> None:
        """Wait until a client is connected, which then sends for the wallet."""
        await self._ready.wait()
        self._client.attach(wallet)
        self._client.use(wallet, pair)

    def follow(self, submission: Submission) -> None:
        """Count an op that was signed, until it is certified."""
        op, counts = submission.op, self.tally
        counts.ops_submitted += 1
        counts.commands_submitted += len(op.commands)
        counts.first_submit_s = counts.first_submit_s or submission.submitted_s
        self._waiting[op.id] = submission
        self._nursery.start_soon(self._until_certified, submission)

    async def _until_certified(self, submission: Submission) -> None:
        outcome = await submission.certified(within_s=math.inf)
        op, counts = submission.op, self.tally
        self._promised(op.pair, op.id, AckLevel.CERTIFIED, outcome.height)  # A certificate may come without an ack.
        counts.ops_certified += 1
        counts.last_certified_s = trio.current_time()
        counts.last_height = max(counts.last_height, outcome.height)
        counts.certify_ms.append(1_000 * (counts.last_certified_s - submission.submitted_s))
        del self._waiting[op.id]
        self._changed.set()
        self._changed = trio.Event()

    async def feed(self, steps: Iterator[tuple[str, FlowStep]], gates: dict[int, trio.Event]) -> None:
        """Turn a flow into ops, as fast as back-pressure (or the pace) allows.

        ``gates``: after so many commands, wait for that event.
        """
        for number, (pair, step) in enumerate(steps):
            if number in gates:
                self._at_gate(number).set()
                await gates[number].wait()
            await self.traders[step.author].add(pair, step.command)
        for trader in self.traders:
            await trader.flush_all()
        self.fed = True

    async def reached(self, gate: int) -> None:
        """Wait until the flow has come to a gate."""
        await self._at_gate(gate).wait()

    def _at_gate(self, gate: int) -> trio.Event:
        return self._gates_reached.setdefault(gate, trio.Event())

    async def drained(self) -> None:
        """Wait until every op is certified."""
        while self._waiting:
            await self._changed.wait()

    async def pace(self) -> None:
        """Wait for this op's turn, where a rate was asked for."""
        if not self._interval_s:
            await trio.lowlevel.checkpoint()
            return
        now_s = trio.current_time()
        self._next_s = max(self._next_s, now_s) + self._interval_s
        await trio.sleep_until(self._next_s - self._interval_s)

    def _on_ack(self, ack: Ack) -> None:
        """Write down what a peer promised, once for each op and level."""
        if ack.op_id not in self._waiting:
            return
        if ack.level == AckLevel.REFUSED:
            self._refused(ack)
        else:
            self._promised(ack.pair, ack.op_id, ack.level, ack.height)

    def _promised(self, pair: str, op_id: OpId, level: AckLevel, height: int) -> None:
        if level > self._acked.get(op_id, AckLevel.REFUSED):
            self._acked[op_id] = level
            self.tally.durable_acks += level == AckLevel.DURABLE
            row = {"pair": pair, "op_id": op_id.hex(), "level": level.name.lower(), "height": height}
            self._acks.write(json.dumps(row) + "\n")

    def _refused(self, ack: Ack) -> None:
        refusals = self.tally.refusals
        refusals[ack.reason] = refusals.get(ack.reason, 0) + 1
        if ack.reason not in PASSING_REFUSALS:
            self.failures.append(f"op {ack.op_id.hex()[:10]} in {ack.pair} was refused: {ack.reason}")

    def close(self) -> None:
        self._acks.close()

    @property
    def load(self) -> str:
        """What the network is put under, in words: at full load each op waits for those before it."""
        pace = f"{1 / self._interval_s:g} ops/s" if self._interval_s else "full load"
        return f"{self.commands_per_op} to an op, at {pace}"

    @property
    def uncertified(self) -> int:
        return len(self._waiting)
