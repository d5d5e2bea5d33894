"""I1 and I2: no order fills beyond its quantity, lots are conserved, and each height has one block.

And of I10 what the books tell: there is no block without ops unless a lease ran out or a triggered order waited.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from gossipbook.audit.ledger import Ledger
from gossipbook.consensus.records import Finalized
from gossipbook.crdt.interpretation import Item
from gossipbook.crdt.op import Op
from gossipbook.crdt.stays import STAYS_SINCE, TIME_TOLD_MS
from gossipbook.ids import PublicKey
from gossipbook.matching.commands import AnyPlace, PlaceNamed, SelfTrade
from gossipbook.matching.engine import Engine
from gossipbook.sim.checkers.base import Checker
from gossipbook.sim.host import Host

ACCEPTED, FILL, STOP_ACCEPTED = 1, 3, 15
HAPPENINGS = {8: "triggers", 9: "slices", 11: "auctions", 13: "lease_ends"}
WAITING, IN_LINE = 2, 3  # where a stop order of a peer's book is


class FillChecker(Checker):
    """Keeps a ledger of each pair over the final blocks of all honest peers, in order of height."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: dict[tuple[str, int], Finalized] = {}  # by pair and height
        self._ledgers: dict[str, Ledger] = {}
        self._asked: dict[tuple[str, bytes, int], int] = {}  # lots that the author signed for
        self._next: dict[str, int] = {}
        self._time_ms: dict[str, int] = {}  # of the block before the next one
        self.fills = 0
        self.happened: Counter[str] = Counter()  # before the heal, by the names of the scenario's expectations

    def emitted(self, host: Host, event: object, now_us: int) -> None:
        if not isinstance(event, Finalized) or host.faulty:
            return
        key = (event.pair, event.block.height)
        self.counts["I1"] += 1
        known = self._blocks.get(key)
        if known is not None:
            if known.block.id != event.block.id:
                self.blame("I1", f"two final blocks at height {key[1]} of {key[0]}: {host.name} has another", *key)
                self._rival(event)
            elif known.events != event.events:
                self.blame("I1", f"{host.name} executed block {key[1]} of {key[0]} to other events", *key)
            return
        self._blocks[key] = event
        self._note_orders(event)
        self._keep_books(event.pair)

    def _note_orders(self, event: Finalized) -> None:
        """Note the quantities that authors signed for, read from the ops themselves."""
        for item in event.items:
            for command in getattr(item, "commands", ()):
                if isinstance(command, AnyPlace):
                    self._asked.setdefault((event.pair, item.author, command.client_id), command.qty_lots)

    def _keep_books(self, pair: str) -> None:
        """Apply a pair's blocks to its ledger in order of height; a block that came early waits."""
        height = self._next.get(pair, 1)
        ledger = self._ledgers.setdefault(pair, self._new_ledger())
        while (pair, height) in self._blocks:
            block, events = self._blocks[pair, height].block, self._blocks[pair, height].events
            if not self.view.healed:
                self.happened.update(HAPPENINGS[event[0]] for event in events if event[0] in HAPPENINGS)
                self.happened["empty_blocks"] += not block.op_ids
            if not block.op_ids:
                self._check_due(ledger, pair, height, block.time_ms)
            self._time_ms[pair] = block.time_ms
            for fault in ledger.take(events, block.time_ms, allowing_orders(self._blocks[pair, height].items)):
                invariant = "I1" if "filled twice" in fault else "I2"
                self.blame(invariant, f"block {height} of {pair}: {fault}", pair, height)
            self.counts["I2"] += len(events)
            for event in events:
                if event[0] == FILL:
                    self._count_fill(pair, height, event)
                elif event[0] in (ACCEPTED, STOP_ACCEPTED):
                    self._check_asked(pair, height, event)
            height += 1
        self._next[pair] = height

    def _new_ledger(self) -> Ledger:
        manifest = self.view.manifest
        return Ledger(manifest.rules_version, manifest.limits.max_block_work)

    def _check_due(self, ledger: Ledger, pair: str, height: int, time_ms: int) -> None:
        self.counts["I10"] += 1
        told = self.view.manifest.rules_version >= STAYS_SINCE and time_ms >= self._time_ms.get(pair, 0) + TIME_TOLD_MS
        if not told and not ledger.due(time_ms):
            self.blame("I10", f"block {height} of {pair} is empty, and nothing was due", pair, height)

    def _count_fill(self, pair: str, height: int, event: tuple[Any, ...]) -> None:
        self.fills += 1
        self.counts["I1"] += 1
        for author, client_id in ((event[4], event[5]), (event[6], event[7])):
            if (pair, author, client_id) not in self._asked:
                self.blame("I1", f"block {height} of {pair} fills an order that nobody signed", pair, height)

    def _check_asked(self, pair: str, height: int, event: tuple[Any, ...]) -> None:
        """Check that an order is accepted with the quantity that its author signed for."""
        self.counts["I2"] += 1
        asked = self._asked.get((pair, event[2], event[3]))
        lots = event[6 if event[0] == ACCEPTED else 7]
        if asked != lots:
            text = f"block {height} of {pair} accepts an order of {lots} lots; its author signed for {asked}"
            self.blame("I2", text, pair, height)

    def _rival(self, event: Finalized) -> None:
        """Blame the orders that a second block at the same height fills again."""
        ledger = self._ledgers[event.pair]
        before = len(ledger.overfilled)
        ledger.take_rival(event.events)
        if len(ledger.overfilled) > before:
            text = f"{len(ledger.overfilled) - before} orders are filled twice by two blocks at one height"
            self.blame("I1", text, event.pair, event.block.height)

    def finish(self) -> None:
        """Check that each peer's book holds exactly what is open by the events."""
        for host in self.view.honest():
            if host.peer is None:
                continue
            for symbol, pair in host.peer.pairs.items():
                if pair.replica.member.has_work():
                    continue  # A block may be on top of the certified book.
                if pair.replica.fin + 1 != self._next.get(symbol, 1):
                    continue  # It is behind; convergence is another's business.
                ledger = self._ledgers.get(symbol, self._new_ledger())
                held = _whole_book(pair.certified.engine)
                self.counts["I2"] += sum(map(len, held[:3])) + 1
                if held != (ledger.resting(), ledger.waiting(), ledger.line(), ledger.leases, ledger.pair_state):
                    self.blame("I2", f"the book of {symbol} at {host.name} is not what its events add up to", symbol)


def allowing_orders(items: Iterable[Item]) -> Iterator[tuple[PublicKey, int]]:
    """The orders (author, client order id) that ops place so that they may trade with their author's own."""
    for item in items:
        for command in item.commands if isinstance(item, Op) else ():
            if isinstance(command, PlaceNamed) and command.self_trade == SelfTrade.ALLOW:
                yield item.author, command.client_id


def _whole_book(engine: Engine) -> tuple[Any, Any, Any, dict[bytes, int], int]:
    """Return what a ledger keeps of an engine: resting, waiting and triggered orders, leases, the pair's state."""
    book = engine.book
    resting = {
        (order.author, order.client_id): (
            int(order.side),
            order.price_ticks,
            order.open_lots,
            order.open_lots + order.hidden_lots,
        )
        for ladder in (book.bids, book.asks)
        for order in book.live_orders(ladder)
    }
    waiting, line = (
        {
            (order.author, order.client_id): (
                int(order.side),
                order.terms.stop_ticks,
                order.price_ticks,
                order.open_lots,
            )
            for account in book.accounts.values()
            for order in account.orders.values()
            if order.place == place
        }
        for place in (WAITING, IN_LINE)
    )
    return resting, waiting, line, dict(book.timetable.leases), int(engine.pair_state)
