"""One pair's chain as the verifier follows it, block by block."""

import hashlib
from collections.abc import Sequence

from gossipbook import cbor
from gossipbook.audit.author_table import AuthorTable
from gossipbook.audit.export import Event
from gossipbook.audit.ledger import Ledger
from gossipbook.audit.opening import Opened
from gossipbook.audit.oracle import OracleBook
from gossipbook.audit.order import canonical_order
from gossipbook.audit.records import BLOCK_OPS_CAP, Block, Evidence, Item, Op, allowing_orders
from gossipbook.audit.seats import Seats
from gossipbook.ids import ZERO_DIGEST, digest
from gossipbook.manifest import Manifest

LEDGER_REASONS_PER_BLOCK = 3


class Chain:
    """The certified state of one pair: what the next block is judged by."""

    def __init__(self, manifest: Manifest, seats: Seats) -> None:
        pair, limits = manifest.pair(seats.symbol), manifest.limits
        self.ids: list[bytes] = [seats.genesis]
        self.op_heights: dict[bytes, int] = {}
        self.voided: dict[bytes, None] = {}  # ops that certified evidence names: their author's word is worth nothing
        self.ledger = Ledger(manifest.rules_version, manifest.limits.max_block_work)
        self.ops = self.commands = 0
        self._limits = limits
        self._rules = manifest.rules_version
        self._time_ms = 0
        self._events_digest = ZERO_DIGEST
        self._oracle = OracleBook(
            pair.min_qty_lots,
            pair.max_qty_lots,
            pair.max_price_ticks,
            pair.price_band_bps,
            limits.max_open_orders_per_author,
            limits.max_open_orders_per_pair,
            limits.max_commands_per_author_per_s,
            limits.max_triggers_per_block,
            manifest.wardens,
            manifest.rules_version,
            limits.max_block_work,
            limits.max_op_work,
        )
        self._table = AuthorTable(manifest, self._oracle)

    @property
    def height(self) -> int:
        return len(self.ids) - 1

    @property
    def tip(self) -> bytes:
        return self.ids[-1]

    def take(self, opened: Opened) -> list[str]:
        """Follow the block at the next height; all that is wrong with it. After that the chain goes no further."""
        block, items = opened.block, opened.items
        assert block.height == self.height + 1
        wrong: list[str] = []
        if block.parent != self.tip:
            wrong.append("its parent is not the block before it")
        if block.time_ms <= self._time_ms:
            wrong.append(f"its time {block.time_ms} is not above its parent's {self._time_ms}")
        if not items and not self._due(block.time_ms):
            wrong.append("it is empty, and nothing was due")
        wrong += self._above_limits(items)
        wrong += self._ineligible(items, block)
        if [item.id for item in canonical_order(block.parent, items)] != list(block.op_ids):
            wrong.append("its ops are out of canonical order")
        wrong += self._misexecuted(opened)
        wrong += self.ledger.take(opened.events, block.time_ms, allowing_orders(items))[:LEDGER_REASONS_PER_BLOCK]
        self.ids.append(block.id)
        self._time_ms = block.time_ms
        self.ops += len(items)
        self.commands += sum(len(item.commands) for item in items if isinstance(item, Op))
        return wrong

    def imbalance(self) -> list[str]:
        """At the end: what the ledger has is what the oracle has."""
        oracle, ledger = self._oracle, self.ledger
        book = {
            (author, client_id): (side, price, shown, shown + hidden)
            for side in (1, 2)
            for author, client_id, price, shown, hidden in oracle.resting_whole(side)
        }
        stops, line = ({row[:2]: row[2:] for row in rows} for rows in (oracle.waiting(), oracle.line()))
        compared = [
            (book, ledger.resting(), "the open orders by the ledger are not those in the book"),
            (stops, ledger.waiting(), "the stop orders by the ledger are not those that wait"),
            (line, ledger.line(), "the triggered orders by the ledger are not those in line"),
            (dict(oracle.leases()), ledger.leases, "the leases by the ledger are not those that hold"),
            (oracle.pair_state, ledger.pair_state, "the pair's state by the ledger is not the one it is in"),
        ]
        return [reason for by_rules, by_ledger, reason in compared if by_rules != by_ledger]

    # -- parts --------------------------------------------------------------------------------------

    def _due(self, time_ms: int) -> bool:
        """Whether a block at this time may be without ops: a lease has run out, or the last one left something over.

        From version 3 of the rules on what lapses may fill a block, so that it is reason enough too; and so is a second
        that has passed, so that a pair in which nobody else trades tells whose first op came too late.
        """
        if self._rules >= 3 and time_ms >= self._time_ms + 1_000:
            return True
        oracle = self._oracle
        ended = any(until_ms < time_ms for _, until_ms in oracle.leases())
        return ended or oracle.has_left_over() or (self._rules >= 3 and oracle.has_lapses(time_ms))

    def _above_limits(self, items: Sequence[Item]) -> list[str]:
        limits = self._limits
        ops = [item for item in items if isinstance(item, Op)]
        wrong = []
        if len(items) > min(limits.max_block_ops, BLOCK_OPS_CAP):
            wrong.append(f"above the block limits: {len(items)} ops")
        evidence = self._table.evidence_bytes
        sizes = (evidence if self._rules >= 3 and isinstance(item, Evidence) else item.size for item in items)
        if (size := sum(sizes)) > limits.max_block_bytes:
            wrong.append(f"above the block limits: {size} bytes of ops")
        if (commands := sum(len(op.commands) for op in ops)) > limits.max_block_commands:
            wrong.append(f"above the block limits: {commands} commands")
        return wrong + [
            f"op {_short(op)} is above the op limits"
            for op in ops
            if len(op.signed) > limits.max_op_bytes or len(op.commands) > limits.max_commands_per_op
        ]

    def _ineligible(self, items: Sequence[Item], block: Block) -> list[str]:
        """Follow the author table; the first item that may not come where it comes."""
        wrong: list[str] = []
        for item in items:
            if isinstance(item, Evidence):  # That may come again, if its author has a life of the same number again.
                self.voided[item.first.id] = self.voided[item.second.id] = None
                continue
            seen = self.op_heights.get(item.id)
            if seen is not None:
                wrong.append(f"op {_short(item)} is in the chain already, at height {seen}")
            self.op_heights[item.id] = block.height
        faults = self._table.seat(items, block.time_ms)
        wrong += [fault if item is None else f"op {_short(item)} {fault}" for item, fault in faults]
        return wrong[:1]

    def _misexecuted(self, opened: Opened) -> list[str]:
        """Run the block through the oracle; how what it lists and what it signs for differ from that."""
        oracle, block = self._oracle, opened.block
        oracle.begin_block(block.time_ms)
        wrong = []
        for item in opened.items:
            if oracle.is_full():
                wrong = ["above the block limits: it has more ops than there is work for"]
                break
            if isinstance(item, Evidence):
                oracle.freeze(item.author)
            else:
                oracle.run(item.author, item.commands, 0 < item.expiry_ms < block.time_ms, item.seq)
        written = oracle.end_block()
        self._table.let_leave(opened.items, block.time_ms)  # which is written there, too
        events = tuple(written)
        self._table.close(opened.items, events, block.time_ms)
        self._events_digest = digest(b"events", self._events_digest, merkle_root(events))
        if opened.events != events:
            pairs = zip(opened.events, events, strict=False)
            same = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(opened.events), len(events)))
            wrong.append(f"its events differ from what the rules give, from its event {same + 1} on")
        if block.events_digest != self._events_digest:
            wrong.append("its events digest is not that of the events that the rules give")
        return wrong


def merkle_root(events: Sequence[Event]) -> bytes:
    """Leaves SHA-256(0 ‖ CBOR), nodes SHA-256(1 ‖ left ‖ right), an odd last node moves up; zeros for none."""
    level = [hashlib.sha256(b"\0" + cbor.encode(event)).digest() for event in events]
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        above = [hashlib.sha256(b"\1" + left + right).digest() for left, right in pairs]
        level = above + level[len(above) * 2 :]
    return level[0] if level else ZERO_DIGEST


def _short(item: Item) -> str:
    return item.id.hex()[:10]
