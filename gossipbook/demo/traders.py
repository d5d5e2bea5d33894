"""The trading floor: authors who sign ops from an order flow and bring them to peers.

Each author has one entry peer at a time. When that dies, the author goes to the next one that answers and
submits every uncertified op again, in order: the same signed bytes, so nothing can happen twice. What a peer
acknowledged is written down, for the auditor.
"""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import trio

from gossipbook.client_messages import Ack, AckLevel
from gossipbook.crdt.op import Op
from gossipbook.errors import GossipbookError
from gossipbook.flow import FlowStep
from gossipbook.identity import Identity
from gossipbook.ids import ChainId, OpId
from gossipbook.matching.commands import Command
from gossipbook.trade.client import Client
from gossipbook.trade.opening import open_client
from gossipbook.trade.wallet import Wallet

OPS_IN_FLIGHT = 32  # an author's uncertified ops; more waits with the author
RETRY_S = 0.2
PASSING_REFUSALS = ("author-window-full", "pool-full")


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
    """One author: a wallet, a queue of signed ops, and whoever takes them at the moment."""

    def __init__(self, floor: "Floor", index: int) -> None:
        self.identity = Identity(floor.rng.randbytes(32))
        self._floor = floor
        self._entry = index
        self._wallet = Wallet(self.identity, floor.chain_id)
        self._batches: dict[str, list[Command]] = {}
        self._waiting: dict[OpId, tuple[Op, float]] = {}
        self._acked: dict[OpId, AckLevel] = {}
        self._changed = trio.Event()
        self._unsent: list[Op] = []

    async def add(self, pair: str, command: Command) -> None:
        """Take a command into the op in the making; signs and queues the op when it is full."""
        batch = self._batches.setdefault(pair, [])
        batch.append(command)
        if len(batch) >= self._floor.commands_per_op:
            await self.flush(pair)

    async def flush(self, pair: str) -> None:
        """Sign and queue what there is, waiting while too many ops are uncertified."""
        batch = self._batches.pop(pair, None)
        if not batch:
            return
        await self._floor.pace()
        while len(self._waiting) >= OPS_IN_FLIGHT:
            await self._changed.wait()
        op = self._wallet.sign(pair, batch)
        self._waiting[op.id] = (op, trio.current_time())
        self._unsent.append(op)
        self._wake()
        tally = self._floor.tally
        tally.ops_submitted += 1
        tally.commands_submitted += len(batch)
        tally.first_submit_s = tally.first_submit_s or trio.current_time()

    async def flush_all(self) -> None:
        for pair in list(self._batches):
            await self.flush(pair)

    async def drained(self) -> None:
        """Until all is certified."""
        while self._waiting:
            await self._changed.wait()

    @property
    def uncertified(self) -> int:
        return len(self._waiting)

    async def run(self) -> None:
        """Keep submitting, to the entry peer or, when it does not answer, to the next."""
        while True:
            address = self._floor.addresses[self._entry % len(self._floor.addresses)]
            try:
                async with open_client(address, self._floor.chain_id) as client:
                    client.on_ack = self._on_ack
                    await self._serve(client)
            except GossipbookError:
                await trio.sleep(RETRY_S)
            self._entry += 1

    async def _serve(self, client: Client) -> None:
        self._unsent = [op for op, _ in self._waiting.values()]
        while not client.closed_reason:
            unsent, self._unsent = self._unsent, []
            for op in unsent:
                await client.submit(op)
            if not self._unsent:
                with trio.move_on_after(RETRY_S):
                    await self._changed.wait()

    def _on_ack(self, ack: Ack) -> None:
        waiting = self._waiting.get(ack.op_id)
        if waiting is None:
            return
        op, submitted_s = waiting
        if ack.level == AckLevel.REFUSED:
            self._refused(op, ack.reason)
            return
        if ack.level > self._acked.get(op.id, AckLevel.REFUSED):
            self._acked[op.id] = ack.level
            self._floor.record_ack(op, ack)
        if ack.level == AckLevel.CERTIFIED:
            del self._waiting[op.id]
            self._acked.pop(op.id, None)
            self._wallet.certified(op)
            tally = self._floor.tally
            tally.ops_certified += 1
            tally.last_certified_s = trio.current_time()
            tally.last_height = max(tally.last_height, ack.height)
            tally.certify_ms.append(1_000 * (tally.last_certified_s - submitted_s))
        self._wake()

    def _refused(self, op: Op, reason: str) -> None:
        refusals = self._floor.tally.refusals
        refusals[reason] = refusals.get(reason, 0) + 1
        if reason in PASSING_REFUSALS:
            self._unsent.append(op)
        else:
            self._floor.failures.append(f"op {op.seq} of {op.author.hex()[:10]} in {op.pair} was refused: {reason}")

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


class Floor:
    """All authors, fed from one merged stream of (pair, step)."""

    def __init__(
        self,
        *,
        chain_id: ChainId,
        addresses: Sequence[str],
        authors: int,
        commands_per_op: int,
        ops_per_s: float | None,
        seed: int | None,
        acks_file: Path,
    ) -> None:
        self.chain_id = chain_id
        self.addresses = list(addresses)
        self.commands_per_op = commands_per_op
        self.rng = random.Random(seed)
        self.tally = TradingCounts()
        self.failures: list[str] = []
        self.traders = [DemoTrader(self, index) for index in range(authors)]
        self.fed = False
        self._gates_reached: dict[int, trio.Event] = {}
        self._interval_s = 1.0 / ops_per_s if ops_per_s else 0.0
        self._next_s = 0.0
        self._acks: IO[str] = acks_file.open("x")  # acks are evidence: never overwritten

    async def run(self) -> None:
        """Keep all traders connected until cancelled."""
        async with trio.open_nursery() as nursery:
            for trader in self.traders:
                nursery.start_soon(trader.run)

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
        """Until the flow has come to a gate."""
        await self._at_gate(gate).wait()

    def _at_gate(self, gate: int) -> trio.Event:
        return self._gates_reached.setdefault(gate, trio.Event())

    async def drained(self) -> None:
        for trader in self.traders:
            await trader.drained()

    async def pace(self) -> None:
        """Wait for this op's turn, where a rate was asked for."""
        if not self._interval_s:
            await trio.lowlevel.checkpoint()
            return
        now_s = trio.current_time()
        self._next_s = max(self._next_s, now_s) + self._interval_s
        await trio.sleep_until(self._next_s - self._interval_s)

    def record_ack(self, op: Op, ack: Ack) -> None:
        """Write down what a peer promised."""
        if ack.level == AckLevel.DURABLE:
            self.tally.durable_acks += 1
        row = {"pair": op.pair, "op_id": op.id.hex(), "level": ack.level.name.lower(), "height": ack.height}
        self._acks.write(json.dumps(row) + "\n")

    def close(self) -> None:
        self._acks.close()

    @property
    def uncertified(self) -> int:
        return sum(trader.uncertified for trader in self.traders)
