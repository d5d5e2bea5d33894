"""The authors of a scenario's orders, who sign in real time and see to it that each op is certified.

All of them trade through one client that is linked to every peer, past the proxy. What any peer acknowledged is written
down for the auditor.
"""

import json
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

import trio

from gossipbook.client_messages import Ack, AckLevel
from gossipbook.ids import OpId
from gossipbook.manifest import Manifest
from gossipbook.matching.commands import Command
from gossipbook.scenario.orders import US_PER_S, PlannedOp, author_identity
from gossipbook.trade.author_driver import PASSING_REFUSALS
from gossipbook.trade.client import Client
from gossipbook.trade.opening import open_client
from gossipbook.trade.submission import Submission
from gossipbook.trade.wallet import Wallet

QUEUE_CAP = 4_096


@dataclass
class OpCounts:
    """How many ops were submitted, acknowledged, certified and refused."""

    submitted: int = 0
    acked: int = 0
    certified: int = 0
    refused: list[str] = field(default_factory=list)


class RealAuthor:
    """One key, and its orders that are due, in the order in which they are to be signed."""

    def __init__(self, name: str, manifest: Manifest) -> None:
        self.wallet = Wallet(author_identity(name), manifest.chain_id)
        self.due, self._due = trio.open_memory_channel[PlannedOp](QUEUE_CAP)
        self._symbols = manifest.symbols()

    async def run(self, client: Client, traders: "Traders") -> None:
        """Sign what is due, one op after the other, and hand each to the traders to follow."""
        client.attach(self.wallet)
        async for order in self._due:
            symbol = self._symbols[order.pair]
            client.use(self.wallet, symbol)
            expiry_ms = time.time_ns() // 1_000_000 + order.ttl_ms if order.ttl_ms else 0
            made = partial(_commands, order)
            traders.follow(await self.wallet.submit(symbol, made, expiry_ms, within_s=math.inf))


def _commands(order: PlannedOp, _next_id: int) -> Sequence[Command]:
    """The order's own: a plan says which client order ids are used."""
    return order.commands


class Traders:
    """All authors of a run."""

    def __init__(self, orders: Iterable[PlannedOp], manifest: Manifest, addresses: list[str], acks_file: Path) -> None:
        self.counts = OpCounts()
        self._orders = list(orders)
        self._manifest = manifest
        self._addresses = addresses
        self._authors = {name: RealAuthor(name, manifest) for name in dict.fromkeys(o.author for o in self._orders)}
        self._open: dict[OpId, Submission] = {}
        self._signed = 0
        self._levels: dict[OpId, AckLevel] = {}
        self._said: dict[tuple[OpId, int, int], None] = {}
        self._acks: IO[str] = acks_file.open("x", encoding="utf-8")  # acks are evidence: never overwritten
        self._nursery: trio.Nursery | None = None

    async def trade(self) -> None:
        """Keep connected to all peers, and sign what is due, until cancelled."""
        async with (
            open_client(self._addresses, manifest=self._manifest, links=len(self._addresses)) as client,
            trio.open_nursery() as self._nursery,
        ):
            client.on_ack = self._on_ack
            for author in self._authors.values():
                self._nursery.start_soon(author.run, client, self)

    async def sign(self, start_s: float) -> None:
        """Make every order due at its time, in seconds of trio's clock after ``start_s``."""
        for order in self._orders:
            await trio.sleep_until(start_s + order.at_us / US_PER_S)
            await self._authors[order.author].due.send(order)

    def follow(self, submission: Submission) -> None:
        """Count an op that was signed, until it is certified."""
        assert self._nursery is not None
        self.counts.submitted += 1
        self._open[submission.op.id] = submission
        self._nursery.start_soon(self._until_certified, submission)

    async def _until_certified(self, submission: Submission) -> None:
        await submission.certified(within_s=math.inf)
        self.counts.certified += 1
        del self._open[submission.op.id]

    @property
    def all_certified(self) -> bool:
        return self.counts.submitted == len(self._orders) and not self._open

    def _on_ack(self, ack: Ack) -> None:
        """Note a peer's acknowledgement or refusal of an op."""
        if ack.level == AckLevel.REFUSED:
            if ack.reason not in PASSING_REFUSALS and ack.op_id in self._open:
                self.counts.refused.append(f"op {ack.op_id.hex()[:10]} of {ack.pair} was refused: {ack.reason}")
            return
        if (ack.op_id, ack.level, ack.height) not in self._said:
            self._said[ack.op_id, ack.level, ack.height] = None
            row = {"pair": ack.pair, "op_id": ack.op_id.hex(), "level": ack.level.name.lower(), "height": ack.height}
            self._acks.write(json.dumps(row) + "\n")
        before = self._levels.get(ack.op_id, AckLevel.REFUSED)
        self._levels[ack.op_id] = max(before, ack.level)
        self.counts.acked += before == AckLevel.REFUSED

    def close(self) -> None:
        self._acks.close()
