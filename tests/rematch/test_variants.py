"""Every kind of command through the other rules' engines: the laws they share with the network's, and their own."""

import copy
from collections.abc import Sequence
from typing import Any

import pytest

from gossipbook.matching.engine import Engine
from gossipbook.matching.events import FILL, SLICED, TRIGGERED, UNCROSSED
from gossipbook.matching.variants import BatchAuctionEngine, ProRataEngine
from gossipbook.peer.orders import OrderLog
from tests.matching.audit import Account, Audit
from tests.matching.chaos import ARENAS, Arena, Chaos
from tests.matching.duel import Op, execute_engine
from tests.matching.planted import Bug, engine_with
from tests.peer.test_orders import compare

BLOCKS = 120


class BatchAudit(Audit):
    """Trades are in auctions only, where immediate orders are; the auction comes after what it is asked for."""

    def _fill(self, fill: Any) -> None:
        assert self.auction_left, "a trade outside an auction"
        super()._fill(fill)

    def _may_meet(self, account: Account) -> bool:
        return True

    def _has_its_minimum(self, account: Account) -> bool:
        return super()._has_its_minimum(account) or not (account.filled or account.open)


class Trial:
    """One engine under the audit. Chaos asks it about its book, as it would ask the oracle."""

    def __init__(self, arena: Arena, engine_type: type[Engine], audit: Audit) -> None:
        self.engine, self.audit, self.log = arena.rules.engine(engine_type), audit, OrderLog()
        self.seen: dict[int, int] = {}
        self.last_price = 0

    @property
    def last_trade(self) -> int:
        return self.engine.last_trade_ticks

    @property
    def pair_state(self) -> int:
        return self.engine.pair_state

    def resting(self, side: int) -> list[Any]:
        return list(self.engine.open_orders(side))

    def waiting(self) -> list[Any]:
        return [row[:6] for row in self.engine.waiting_orders()]

    def line(self) -> list[Any]:
        return [row[:6] for row in self.engine.line()]

    def play(self, time_ms: int, ops: Sequence[Op]) -> None:
        """A block, once to be undone and once to stay."""
        before = self.engine.state()
        first = execute_engine(self.engine, time_ms, ops)
        self.engine.rollback()
        assert self.engine.state() == before
        events = execute_engine(self.engine, time_ms, ops)
        assert events == first, "a second execution differs from the first"
        self.engine.commit()
        for op in ops:
            self.audit.sent(op.author, getattr(op, "commands", ()))
        rows = [[(*row[:4], row[5]) for row in self.engine.open_orders(side)] for side in (1, 2)]
        self.audit.block(events, *rows, self.waiting() + self.line())
        self.log.follow(tuple(events))
        for account in self.engine.book.accounts.values():
            for order in account.orders.values():
                compare(self.log, order)
        self.last_price = next((event[2] for event in reversed(events) if event[0] == FILL), self.last_price)
        assert self.engine.last_trade_ticks == self.engine.reference_ticks == self.last_price
        for event in events:
            self.seen[event[0]] = self.seen.get(event[0], 0) + 1


def try_all(engine_type: Any, audit: Audit, seeds: Sequence[int] = (1,)) -> dict[int, int]:
    seen: dict[int, int] = {}
    for arena in ARENAS.values():
        for seed in seeds:
            chaos, trial = Chaos(seed, arena), Trial(arena, engine_type, copy.deepcopy(audit))
            for _ in range(BLOCKS):
                block = chaos.block(trial)
                trial.play(chaos.time_ms, block)
            for kind, count in trial.seen.items():
                seen[kind] = seen.get(kind, 0) + count
    return seen


@pytest.mark.parametrize(
    ("engine_type", "audit"), [(ProRataEngine, Audit()), (BatchAuctionEngine, BatchAudit())], ids=["pro-rata", "batch"]
)
def test_the_laws_hold_with_every_kind_of_command(engine_type: type[Engine], audit: Audit) -> None:
    seen = try_all(engine_type, audit, (1, 2))
    assert min(seen[kind] for kind in (FILL, SLICED, TRIGGERED, UNCROSSED)) > 20


PRO_RATA_BUGS = {
    "shares are rounded up": Bug("variants", "given = [wanted * lots // total", "given = [-(-wanted * lots // total)"),
    "own orders get a share": Bug(
        "variants",
        "others = [maker for maker in makers if not self._grouped(",
        "others = [maker for maker in makers if not (lambda *_: 0)(",
    ),
    "a maker keeps what it sold": Bug(
        "variants", "                    self._take_filled(maker, lots)\n", "                    break\n"
    ),
    "looks past own orders": Bug("variants", "if own and taker.terms.self_trade != CANCEL_MAKER:", "if False:"),
    "one lot too many can be filled": Bug("variants", "if wanted <= 0:", "if wanted <= 1:"),
}
BATCH_BUGS = {
    "immediate orders stay": Bug("variants", "        if not rests:\n", "        if False:\n"),
    "no wish is heard": Bug("variants", "            if not short:\n", "            if True:\n"),
    "what a trial auction traded stays told": Bug("variants", "        del self.events[mark.events :]\n", ""),
    "what a trial auction traded stays done": Bug("variants", "        self.book.undo_to(mark.changes)\n", ""),
    "the last price stays": Bug("variants", "        self.last_trade_ticks = mark.last_trade_ticks\n", ""),
    "a halted pair keeps whom it cannot please": Bug("variants", "for key in self._wishes:", "for key in ():"),
}


@pytest.mark.parametrize("bug", PRO_RATA_BUGS.values(), ids=PRO_RATA_BUGS.keys())
def test_a_bug_in_the_pro_rata_engine_is_noticed(bug: Bug) -> None:
    with pytest.raises((AssertionError, LookupError, ValueError, AttributeError)):
        try_all(engine_with(bug, "ProRataEngine"), Audit())


@pytest.mark.parametrize("bug", BATCH_BUGS.values(), ids=BATCH_BUGS.keys())
def test_a_bug_in_the_batch_auction_engine_is_noticed(bug: Bug) -> None:
    with pytest.raises((AssertionError, LookupError, ValueError, AttributeError)):
        try_all(engine_with(bug, "BatchAuctionEngine"), BatchAudit())
