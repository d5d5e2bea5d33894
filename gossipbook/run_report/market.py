"""The market as certified by all honest peers together: fills, fates of orders, and the book after each block.

The book is kept from the events, as the auditor keeps it, so that a block which a peer only tries out is never in it.
"""

from gossipbook.audit.ledger import Ledger
from gossipbook.consensus.records import Finalized
from gossipbook.matching.events import CANCELLED, FILL, REJECTED, CancelCause, RejectReason
from gossipbook.run_report.recording import BlockNote, FillNote, OrderFate, OrderKey, Top
from gossipbook.sim.checkers.fills import allowing_orders
from gossipbook.sim.host import Host

FILLS_CAP = 100_000
ORDERS_CAP = 200_000
OPS_CAP = 200_000
BLOCKS_CAP = 20_000
WAITING_CAP = 1_024  # blocks that came before their parents
LEVELS = 5
OWN_WILL = frozenset((int(CancelCause.REQUESTED), int(CancelCause.CANCEL_ALL)))


class MarketLog:
    """Takes each block once, in order of height, from the honest peer that finalizes it first."""

    def __init__(self, names: dict[bytes, str], rules: int) -> None:
        self._rules = rules
        self._names = names  # of proposers, by public key
        self._ledgers: dict[str, Ledger] = {}
        self._next: dict[str, int] = {}
        self._early: dict[tuple[str, int], tuple[int, Finalized]] = {}
        self._blocks: dict[tuple[str, int, bytes], BlockNote] = {}
        self._tops: dict[str, Top] = {}
        self.fills: list[FillNote] = []
        self.fates: dict[OrderKey, OrderFate] = {}
        self.finals: dict[bytes, tuple[int, int]] = {}  # by op id: when first final, and at which height
        self.voided = 0  # commands that had expired before they were certified
        self.left_out: dict[str, int] = {}

    @property
    def blocks(self) -> tuple[BlockNote, ...]:
        return tuple(self._blocks.values())

    def take(self, host: Host, event: Finalized, now_us: int) -> bool:
        """Take a block that an honest peer finalized; return True if it is the first to."""
        key = (event.pair, event.block.height)
        known = self._blocks.get((*key, event.block.id))
        if known is not None:
            known.hosts.append(host.name)
            return False
        self._note_block(host, event, now_us)
        if key[1] < self._next.get(event.pair, 1) or key in self._early or len(self._early) >= WAITING_CAP:
            return False
        self._early[key] = (now_us, event)
        self._advance(event.pair)
        return True

    def top(self, pair: str) -> Top:
        """Return the top of a pair's certified book."""
        found = self._tops.get(pair)
        if found is None:
            ledger = self._ledgers.get(pair)
            found = self._tops[pair] = top_of(ledger) if ledger is not None else Top(0, 0, 0, 0)
        return found

    def _note_block(self, host: Host, event: Finalized, now_us: int) -> None:
        if len(self._blocks) >= BLOCKS_CAP:
            self._leave_out("blocks")
            return
        block, fc = event.block, event.fc
        fills = [e for e in event.events if e[0] == FILL]
        self._blocks[event.pair, block.height, block.id] = BlockNote(
            pair=event.pair,
            height=block.height,
            id=block.id,
            parent=block.parent,
            proposer=self._names.get(block.proposer, "?"),
            created_term=block.created_term,
            final_term=fc.term,
            signers=tuple(seat for seat, _ in fc.signers),
            op_ids=block.op_ids,
            fills=tuple(((event.pair, e[4], e[5]), (event.pair, e[6], e[7]), e[2], e[3]) for e in fills),
            first_us=now_us,
            first_at=host.name,
            hosts=[host.name],
        )

    def _advance(self, pair: str) -> None:
        height = self._next.get(pair, 1)
        while (pair, height) in self._early:
            at_us, event = self._early.pop((pair, height))
            ledger = self._ledgers.setdefault(pair, Ledger(self._rules))
            ledger.take(event.events, event.block.time_ms, allowing_orders(event.items))
            self._tops.pop(pair, None)
            self._book(event, at_us)
            height += 1
        self._next[pair] = height

    def _book(self, final: Finalized, at_us: int) -> None:
        pair, height = final.pair, final.block.height
        for op_id in final.block.op_ids:
            if len(self.finals) < OPS_CAP:
                self.finals.setdefault(op_id, (at_us, height))
        for event in final.events:
            if event[0] == FILL:
                self._fill(FillNote(at_us, pair, height, event[2], event[3], (pair, *event[4:6]), (pair, *event[6:8])))
            elif event[0] == CANCELLED and event[6] in OWN_WILL:
                self._fate((pair, event[2], event[3])).cancelled_lots += event[4]
            elif event[0] == REJECTED and event[5] == RejectReason.OP_EXPIRED:
                self.voided += 1

    def _fill(self, fill: FillNote) -> None:
        if len(self.fills) >= FILLS_CAP:
            self._leave_out("fills")
            return
        self.fills.append(fill)
        self._fate(fill.maker).filled_lots += fill.lots
        self._fate(fill.taker).filled_lots += fill.lots

    def _fate(self, key: OrderKey) -> OrderFate:
        fate = self.fates.get(key)
        if fate is None:
            fate = OrderFate()
            if len(self.fates) < ORDERS_CAP:
                self.fates[key] = fate
            else:
                self._leave_out("orders")
        return fate

    def _leave_out(self, what: str) -> None:
        self.left_out[what] = self.left_out.get(what, 0) + 1


def top_of(ledger: Ledger) -> Top:
    """Return best prices, and the lots at the best five levels of each side."""
    sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for side, price_ticks, lots, _ in ledger.resting().values():
        levels = sides[side - 1]
        levels[price_ticks] = levels.get(price_ticks, 0) + lots
    bids = sorted(sides[0].items(), reverse=True)
    asks = sorted(sides[1].items())
    return Top(
        bid_ticks=bids[0][0] if bids else 0,
        ask_ticks=asks[0][0] if asks else 0,
        bid_lots=sum(lots for _, lots in bids[:LEVELS]),
        ask_lots=sum(lots for _, lots in asks[:LEVELS]),
    )
