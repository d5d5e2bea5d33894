"""I9, for blocks: their ops, their order and their time follow the rules and nobody's choice.

Ops stand in canonical order by the auditor's own reading of the rule; a block's time is one that enough members'
clocks may have agreed to; an op that ran out before the block's time opens no order.
"""

from typing import Any

from gossipbook.audit.order import canonical_order
from gossipbook.audit.records import Evidence, Item, Op, decode_op, make_evidence
from gossipbook.consensus.records import Finalized
from gossipbook.sim.checkers.base import Checker
from gossipbook.sim.clocks import START_WALL_MS, US_PER_MS
from gossipbook.sim.host import Host

ACCEPTED, LEASED, GROUPED, STOP_ACCEPTED = 1, 12, 14, 15


class BlockChecker(Checker):
    """Checks order, time and expiries of each final block once."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[bytes, None] = {}
        self._times: dict[tuple[str, int], int] = {}
        self._expiries: dict[tuple[str, bytes, int], int] = {}

    def emitted(self, host: Host, event: object, now_us: int) -> None:
        if not isinstance(event, Finalized) or host.faulty or event.block.id in self._seen:
            return
        self._seen[event.block.id] = None
        self.counts["I9"] += 3
        self._order(event)
        self._time(event, now_us)
        self._expiry(event)

    def _order(self, event: Finalized) -> None:
        items = [_read(item) for item in event.items]
        if [item.id for item in canonical_order(event.block.parent, items)] != [item.id for item in items]:
            text = f"block {event.block.height} of {event.pair} is not in canonical order"
            self.blame("I9", text, event.pair, event.block.height)

    def _time(self, event: Finalized, now_us: int) -> None:
        """Check that a block is later than its parent, and not ahead of every honest member's clock."""
        block, pair = event.block, event.pair
        parent_ms = self._times.get((pair, block.height - 1), 0)
        self._times[pair, block.height] = block.time_ms
        if block.time_ms <= parent_ms:
            self.blame("I9", f"block {block.height} of {pair} is not later than its parent", pair, block.height)
        if block.time_ms == parent_ms + 1:
            return
        manifest, seats = self.view.manifest, self.view.seats[pair]
        members = [host for host in self.view.hosts if host.identity.public_key in seats.keys]
        ahead_ms = sorted((self._most_ahead_ms(host) for host in members), reverse=True)
        liars = len(members) - seats.quorum
        wall_ms = START_WALL_MS + now_us // US_PER_MS
        latest_ms = wall_ms + ahead_ms[min(liars, len(members) - 1)] + manifest.timing.clock_tolerance_ms
        if block.time_ms > latest_ms:
            text = f"block {block.height} of {pair} is {block.time_ms - wall_ms} ms ahead of the time"
            self.blame("I9", text, pair, block.height)

    def _most_ahead_ms(self, host: Host) -> int:
        """Return how far ahead a host's clock can have been at most, by skew, faults and drift over the whole run."""
        ahead_ms = abs(host.clock.skew_ms)
        for injected in self.view.faults:
            if injected.fault.kind == "clock" and host in injected.hosts:
                drift_ms = self.view.now_us // US_PER_MS * abs(injected.fault.rate_ppm) // 1_000_000
                ahead_ms += abs(injected.fault.skew_ms) + drift_ms
        return ahead_ms

    def _expiry(self, event: Finalized) -> None:
        opened = {(e[2], e[3]) for e in event.events if e[0] in (ACCEPTED, STOP_ACCEPTED)}
        for item in event.items:
            for author, client_id in _placed(item):
                late = 0 < item.expiry_ms < event.block.time_ms  # type: ignore[union-attr]  # only ops place
                if late and (author, client_id) in opened:
                    text = f"block {event.block.height} of {event.pair} runs an order {client_id} past its op's expiry"
                    self.blame("I9", text, event.pair, event.block.height)


def _placed(item: Any) -> list[tuple[bytes, int]]:
    """Return the orders that an op places; none for evidence."""
    return [(item.author, c.client_id) for c in getattr(item, "commands", ()) if hasattr(c, "tif")]


def _read(item: Any) -> Item:
    """Decode an item's bytes with the auditor's code."""
    if hasattr(item, "first"):
        first, second = (decode_op(op.signed, op.signature) for op in (item.first, item.second))
        evidence: Evidence = make_evidence(first, second, rules_version=3 if item.has_life else 1)
        return evidence
    op: Op = decode_op(item.signed, item.signature)
    return op
