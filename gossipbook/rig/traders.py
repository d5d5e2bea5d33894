"""The authors of a scenario's orders, who sign in real time and send each op until it is certified.

Each author has a peer of choice. When an op is not certified in time, or that peer is gone, the author sends all of its
uncertified ops again, the same bytes in the same order, to the next peer that answers. What any peer acknowledged is
written down for the auditor.
"""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import trio

from gossipbook.client_messages import Ack, AckLevel
from gossipbook.crdt.op import Op
from gossipbook.errors import LinkClosed
from gossipbook.ids import ChainId, OpId
from gossipbook.rig.peer_clients import PeerClients
from gossipbook.scenario.orders import US_PER_S, PlannedOp, author_identity
from gossipbook.trade.wallet import Wallet
from gossipbook.trade.client import Client

PATIENCE_S = 2.0  # after that an author goes to another peer; doubled each time in vain
PATIENCE_CAP_S = 8.0
TICK_S = 0.1
PASSING_REFUSALS = ("author-window-full", "pool-full")


@dataclass
class OpCounts:
    """How many ops were submitted, acknowledged, certified and refused."""

    submitted: int = 0
    acked: int = 0
    certified: int = 0
    refused: list[str] = field(default_factory=list)


class RealAuthor:
    """One key, its uncertified ops, and the peer that they are sent to."""

    def __init__(self, name: str, index: int, chain_id: ChainId) -> None:
        self.wallet = Wallet(author_identity(name), chain_id)
        self.waiting: dict[OpId, Op] = {}
        self._choice = index
        self._sent_over: Client | None = None
        self._unsent: list[Op] = []
        self._patience_s = PATIENCE_S
        self._quiet_since_s = 0.0

    def add(self, op: Op) -> None:
        if not self.waiting:
            self._quiet_since_s = trio.current_time()
        self.waiting[op.id] = op
        self._unsent.append(op)

    def certified(self, op: Op) -> None:
        del self.waiting[op.id]
        self.wallet.certified(op)
        self._quiet_since_s = trio.current_time()
        self._patience_s = PATIENCE_S

    async def bring(self, clients: PeerClients) -> None:
        """Send new ops; if the present peer is gone or too slow, send all uncertified ops to another one."""
        if not self.waiting:
            return
        late = trio.current_time() - self._quiet_since_s > self._patience_s
        gone = self._sent_over is None or bool(self._sent_over.closed_reason)
        if late or gone:
            client = self._next_client(clients, late=late)
            if client is None:
                return
            self._sent_over, self._unsent = client, list(self.waiting.values())
            if late:
                self._patience_s = min(2 * self._patience_s, PATIENCE_CAP_S)
                self._quiet_since_s = trio.current_time()
        assert self._sent_over is not None
        unsent, self._unsent = self._unsent, []
        try:
            for op in unsent:
                await self._sent_over.submit(op)
        except LinkClosed:
            self._sent_over = None  # All is sent again to the next one.

    def _next_client(self, clients: PeerClients, *, late: bool) -> Client | None:
        self._choice += late
        for _ in clients.all:
            client = clients.all[self._choice % len(clients.all)].client
            if client is not None and not client.closed_reason:
                return client
            self._choice += 1
        return None


class Traders:
    """All authors of a run."""

    def __init__(self, orders: Iterable[PlannedOp], symbols: list[str], chain_id: ChainId, acks_file: Path) -> None:
        self.counts = OpCounts()
        self._orders = list(orders)
        self._symbols = symbols
        names = dict.fromkeys(order.author for order in self._orders)
        self._authors = {name: RealAuthor(name, index, chain_id) for index, name in enumerate(names)}
        self._by_op: dict[OpId, RealAuthor] = {}
        self._levels: dict[OpId, AckLevel] = {}
        self._said: dict[tuple[OpId, int, int], None] = {}
        self._acks: IO[str] = acks_file.open("x")  # acks are evidence: never overwritten

    async def sign(self, start_s: float) -> None:
        """Sign every order at its time, in seconds of trio's clock after ``start_s``."""
        for order in self._orders:
            await trio.sleep_until(start_s + order.at_us / US_PER_S)
            author = self._authors[order.author]
            expiry_ms = time.time_ns() // 1_000_000 + order.ttl_ms if order.ttl_ms else 0
            op = author.wallet.sign(self._symbols[order.pair], order.commands, expiry_ms)
            self._by_op[op.id] = author
            author.add(op)
            self.counts.submitted += 1

    async def bring(self, clients: PeerClients) -> None:
        """Keep sending ops to peers until cancelled."""
        while True:
            for author in self._authors.values():
                await author.bring(clients)
            await trio.sleep(TICK_S)

    @property
    def all_certified(self) -> bool:
        return not any(author.waiting for author in self._authors.values())

    def on_ack(self, ack: Ack) -> None:
        """Note a peer's acknowledgement or refusal of an op."""
        author = self._by_op[ack.op_id]
        if ack.level == AckLevel.REFUSED:
            if ack.reason not in PASSING_REFUSALS:
                self.counts.refused.append(f"op {ack.op_id.hex()[:10]} of {ack.pair} was refused: {ack.reason}")
            return
        if (ack.op_id, ack.level, ack.height) not in self._said:
            self._said[ack.op_id, ack.level, ack.height] = None
            row = {"pair": ack.pair, "op_id": ack.op_id.hex(), "level": ack.level.name.lower(), "height": ack.height}
            self._acks.write(json.dumps(row) + "\n")
        before = self._levels.get(ack.op_id, AckLevel.REFUSED)
        self._levels[ack.op_id] = max(before, ack.level)
        self.counts.acked += before == AckLevel.REFUSED
        if ack.level == AckLevel.CERTIFIED and ack.op_id in author.waiting:
            author.certified(author.waiting[ack.op_id])
            self.counts.certified += 1

    def close(self) -> None:
        self._acks.close()
