"""I1 and I2: no order fills beyond its quantity, nothing is made or lost, one block a height."""

from typing import Any

from gossipbook.audit.ledger import Ledger
from gossipbook.consensus.records import Finalized
from gossipbook.matching.commands import Place
from gossipbook.sim.checkers.base import Checker
from gossipbook.sim.host import Host

FILL, ACCEPTED = 3, 1


class FillChecker(Checker):
    """Keeps the books of each pair over the union of all honest peers, block by block in order of height."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: dict[tuple[str, int], tuple[bytes, Any]] = {}  # (block id, events) by pair and height
        self._ledgers: dict[str, Ledger] = {}
        self._asked: dict[tuple[str, bytes, int], int] = {}  # lots that the author signed for
        self._next: dict[str, int] = {}
        self.fills = 0

    def emitted(self, host: Host, event: object, now_us: int) -> None:
        if not isinstance(event, Finalized) or host.faulty:
            return
        key = (event.pair, event.block.height)
        self.counts["I1"] += 1
        known = self._blocks.get(key)
        if known is not None:
            if known[0] != event.block.id:
                self.blame("I1", f"two final blocks at height {key[1]} of {key[0]}: {host.name} has another", *key)
                self._rival(event)
            elif known[1] != event.events:
                self.blame("I1", f"{host.name} executed block {key[1]} of {key[0]} to other events", *key)
            return
        self._blocks[key] = (event.block.id, event.events)
        self._note_orders(event)
        self._keep_books(event.pair)

    def _note_orders(self, event: Finalized) -> None:
        """What the authors signed, read off the ops themselves: no amend raises it here, ACCEPTED and AMENDED do."""
        for item in event.items:
            for command in getattr(item, "commands", ()):
                if isinstance(command, Place):
                    self._asked.setdefault((event.pair, item.author, command.client_id), command.qty_lots)

    def _keep_books(self, pair: str) -> None:
        """Take the blocks of a pair in order; one that came early waits."""
        height = self._next.get(pair, 1)
        ledger = self._ledgers.setdefault(pair, Ledger())
        while (pair, height) in self._blocks:
            events = self._blocks[pair, height][1]
            for fault in ledger.take(events):
                invariant = "I1" if "filled twice" in fault else "I2"
                self.blame(invariant, f"block {height} of {pair}: {fault}", pair, height)
            self.counts["I2"] += len(events)
            for event in events:
                if event[0] == FILL:
                    self._count_fill(pair, height, event)
                elif event[0] == ACCEPTED:
                    self._check_asked(pair, height, event)
            height += 1
        self._next[pair] = height

    def _count_fill(self, pair: str, height: int, event: tuple[Any, ...]) -> None:
        self.fills += 1
        self.counts["I1"] += 1
        for author, client_id in ((event[4], event[5]), (event[6], event[7])):
            if (pair, author, client_id) not in self._asked:
                self.blame("I1", f"block {height} of {pair} fills an order that nobody signed", pair, height)

    def _check_asked(self, pair: str, height: int, event: tuple[Any, ...]) -> None:
        """An order is accepted with the quantity that its author signed for."""
        self.counts["I2"] += 1
        asked = self._asked.get((pair, event[2], event[3]))
        if asked != event[6]:
            text = f"block {height} of {pair} accepts an order of {event[6]} lots; its author signed for {asked}"
            self.blame("I2", text, pair, height)

    def _rival(self, event: Finalized) -> None:
        """A second block at a height: which orders does it fill once more?"""
        ledger = self._ledgers[event.pair]
        before = len(ledger.overfilled)
        ledger.take_rival(event.events)
        if len(ledger.overfilled) > before:
            text = f"{len(ledger.overfilled) - before} orders are filled twice by two blocks at one height"
            self.blame("I1", text, event.pair, event.block.height)

    def finish(self) -> None:
        """What is open by the events is what rests in each peer's book, and nothing else."""
        for host in self.exchange.honest():
            if host.peer is None:
                continue
            for symbol, pair in host.peer.pairs.items():
                if pair.replica.has_work():
                    continue  # A block may be on top of the certified book.
                if pair.replica.fin + 1 != self._next.get(symbol, 1):
                    continue  # It is behind; convergence is another's business.
                ledger = self._ledgers.get(symbol, Ledger())
                book = pair.certified.engine.book
                held = {
                    (order.author, order.client_id): (int(order.side), order.price_ticks, order.open_lots)
                    for ladder in (book.bids, book.asks)
                    for order in book.live_orders(ladder)
                }
                self.counts["I2"] += len(held) + 1
                if held != ledger.resting():
                    self.blame("I2", f"the book of {symbol} at {host.name} is not what its events add up to", symbol)
